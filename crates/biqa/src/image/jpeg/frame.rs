//! The frame header (SOF) and what belongs to each component: planes, coefficients, progress.

use super::super::error::Fault;
use super::super::native::{Job, zeroed};
use super::FORMAT;

/// How far the entropy decoder got with a component, in units of its last scan.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Progress {
    /// Units (MCUs, or blocks of a scan of one component) decoded.
    pub(super) done: usize,
    /// Units in a row.
    pub(super) per_row: usize,
    /// Size of a unit in pixels of the picture.
    pub(super) unit: (usize, usize),
}

#[derive(Debug)]
pub(super) struct Component {
    pub(super) id: u8,
    /// Sampling factors, 1 to 4.
    pub(super) h: usize,
    pub(super) v: usize,
    /// Number of the quantisation table.
    pub(super) table: usize,
    /// The quantisation table as it was when the component's first scan began (natural order).
    pub(super) quant: Option<[u16; 64]>,
    /// Samples that belong to the picture.
    pub(super) width: usize,
    pub(super) height: usize,
    /// Blocks that belong to the picture (a scan of this component alone has these).
    pub(super) blocks: (usize, usize),
    /// Blocks in memory: whole MCUs.
    pub(super) padded: (usize, usize),
    pub(super) stride: usize,
    pub(super) plane: Vec<u8>,
    /// Progressive only: 64 a block, natural order.
    pub(super) coefficients: Vec<i16>,
    /// Progressive only: the lowest bit still missing of each coefficient; 255: never seen.
    pub(super) precision: [u8; 64],
    pub(super) progress: Progress,
}

#[derive(Debug)]
pub(super) struct Frame {
    pub(super) progressive: bool,
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) h_max: usize,
    pub(super) v_max: usize,
    /// MCUs across and down.
    pub(super) mcus: (usize, usize),
    pub(super) components: Vec<Component>,
}

impl Frame {
    /// Reads the segment behind SOF0, SOF1 or SOF2 and checks size and memory. Planes are made by
    /// [`Frame::allocate`], when the first scan comes.
    pub(super) fn parse(job: &Job, segment: &[u8], progressive: bool) -> Result<Self, Fault> {
        let [precision, y1, y0, x1, x0, count, rest @ ..] = segment else {
            return Err(Fault::corrupt(FORMAT, "a frame header that is too short"));
        };
        if *precision != 8 {
            return Err(Fault::unsupported(format_args!("{precision}-bit JPEG")));
        }
        let height = usize::from(u16::from_be_bytes([*y1, *y0]));
        let width = usize::from(u16::from_be_bytes([*x1, *x0]));
        job.limits.check_size(FORMAT, width as u64, height as u64)?;
        let count = usize::from(*count);
        match count {
            1 | 3 | 4 => {}
            0 => return Err(Fault::corrupt(FORMAT, "a frame of 0 components")),
            n => return Err(Fault::unsupported(format_args!("{n}-component JPEG"))),
        }
        if rest.len() < 3 * count {
            return Err(Fault::corrupt(FORMAT, "a frame header that is too short"));
        }

        let specs: Vec<[u8; 3]> =
            rest.chunks_exact(3).take(count).map(|s| [s[0], s[1], s[2]]).collect();
        let factors = |s: &[u8; 3]| (usize::from(s[1] >> 4), usize::from(s[1] & 15));
        for (i, spec) in specs.iter().enumerate() {
            let (h, v) = factors(spec);
            if !(1..=4).contains(&h) || !(1..=4).contains(&v) {
                return Err(Fault::corrupt(FORMAT, format_args!("sampling {h}x{v}, not 1 to 4")));
            }
            if spec[2] > 3 {
                return Err(Fault::corrupt(
                    FORMAT,
                    format_args!("quantisation table {}, not 0 to 3", spec[2]),
                ));
            }
            if specs[..i].iter().any(|other| other[0] == spec[0]) {
                return Err(Fault::corrupt(
                    FORMAT,
                    format_args!("two components of number {}", spec[0]),
                ));
            }
        }
        let h_max = specs.iter().map(|s| factors(s).0).max().unwrap_or(1);
        let v_max = specs.iter().map(|s| factors(s).1).max().unwrap_or(1);
        let mcus = (width.div_ceil(8 * h_max), height.div_ceil(8 * v_max));
        let components = specs
            .iter()
            .map(|spec| {
                let (h, v) = factors(spec);
                let (w, hh) = ((width * h).div_ceil(h_max), (height * v).div_ceil(v_max));
                let padded = (mcus.0 * h, mcus.1 * v);
                Component {
                    id: spec[0],
                    h,
                    v,
                    table: usize::from(spec[2]),
                    quant: None,
                    width: w,
                    height: hh,
                    blocks: (w.div_ceil(8), hh.div_ceil(8)),
                    padded,
                    stride: 8 * padded.0,
                    plane: Vec::new(),
                    coefficients: Vec::new(),
                    precision: [255; 64],
                    progress: Progress::default(),
                }
            })
            .collect();
        Ok(Self { progressive, width, height, h_max, v_max, mcus, components })
    }

    /// Bytes of the planes, and of the coefficients of a progressive picture.
    pub(super) fn scratch(&self) -> u64 {
        let blocks: u64 = self.components.iter().map(|c| (c.padded.0 * c.padded.1) as u64).sum();
        64 * blocks * if self.progressive { 3 } else { 1 }
    }

    /// Makes the planes or, for a progressive picture, the coefficients.
    pub(super) fn allocate(&mut self) -> Result<(), Fault> {
        for component in &mut self.components {
            let samples = 64 * component.padded.0 * component.padded.1;
            if self.progressive {
                if component.coefficients.is_empty() {
                    component.coefficients = zeroed(samples)?;
                }
            } else if component.plane.is_empty() {
                component.plane = zeroed(samples)?;
            }
        }
        Ok(())
    }

    /// One flag a pixel: whether any component has not reached it.
    pub(super) fn missing(&self) -> Result<Vec<bool>, Fault> {
        let mut flags = zeroed(self.width * self.height)?;
        for component in &self.components {
            let Progress { done, per_row, unit } = component.progress;
            for (y, row) in flags.chunks_exact_mut(self.width).enumerate() {
                for (x, gone) in row.iter_mut().enumerate() {
                    *gone |= per_row == 0 || (y / unit.1) * per_row + x / unit.0 >= done;
                }
            }
        }
        Ok(flags)
    }
}
