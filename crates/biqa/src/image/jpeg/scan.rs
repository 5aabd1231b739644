//! One scan (SOS): which components and coefficients it carries, and its entropy decoding,
//! sequential and progressive (T.81, annexes F and G).

use super::super::error::Fault;
use super::super::native::Job;
use super::FORMAT;
use super::frame::{Frame, Progress};
use super::huffman::{Bits, Huffman};
use super::idct::idct;

/// Zigzag position to natural order. Sixteen extra entries catch run lengths of corrupt files.
pub(super) const ZIGZAG: [u8; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20,
    13, 6, 7, 14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59,
    52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// The tables that DQT, DHT and DRI have defined so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Tables {
    /// Natural order.
    pub(super) quant: [Option<[u16; 64]>; 4],
    pub(super) dc: [Option<Huffman>; 4],
    pub(super) ac: [Option<Huffman>; 4],
    pub(super) restart_interval: usize,
}

/// A scan header.
#[derive(Debug)]
struct Scan {
    /// Index of the component, its DC and its AC table.
    components: Vec<(usize, usize, usize)>,
    start: usize,
    end: usize,
    high: u8,
    low: u8,
}

/// How a scan ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Complete,
    /// The data ended in this row of the picture.
    Early {
        row: usize,
    },
}

/// Decodes the scan whose header is `segment` and whose bits begin at `pos`; returns the position
/// where the next marker is looked for.
pub(super) fn decode_scan(
    job: &Job,
    data: &[u8],
    segment: &[u8],
    pos: usize,
    frame: &mut Frame,
    tables: &Tables,
) -> Result<(usize, Ending), Fault> {
    let scan = parse(frame, segment)?;
    check(frame, &scan, tables)?;
    for &(i, _, _) in &scan.components {
        let component = &mut frame.components[i];
        if component.quant.is_none() {
            component.quant = tables.quant[component.table];
        }
        if component.quant.is_none() {
            let what = format_args!("quantisation table {} is missing", component.table);
            return Err(Fault::corrupt(FORMAT, what));
        }
    }
    frame.allocate()?;

    let single = (scan.components.len() == 1).then(|| scan.components[0].0);
    let (across, down, unit) = match single {
        // A scan of one component has no MCU padding.
        Some(i) => {
            let c = &frame.components[i];
            (c.blocks.0, c.blocks.1, (8 * frame.h_max / c.h, 8 * frame.v_max / c.v))
        }
        None => (frame.mcus.0, frame.mcus.1, (8 * frame.h_max, 8 * frame.v_max)),
    };

    let mut bits = Bits::new(data, pos);
    let mut state = State::default();
    let mut until_restart = tables.restart_interval;
    let mut next_restart = 0;
    let mut ending = Ending::Complete;
    let mut done = across * down;
    'rows: for my in 0..down {
        if my % 2 == 0 {
            job.check_cancel()?;
        }
        for mx in 0..across {
            let index = my * across + mx;
            if tables.restart_interval > 0 && until_restart == 0 {
                match bits.restart(next_restart) {
                    Ok(true) => {}
                    Ok(false) => {
                        (ending, done) = (Ending::Early { row: my * unit.1 }, index);
                        break 'rows;
                    }
                    Err(()) => return Err(Fault::corrupt(FORMAT, "a restart marker out of turn")),
                }
                state = State::default();
                next_restart = (next_restart + 1) % 8;
                until_restart = tables.restart_interval;
            }
            until_restart = until_restart.saturating_sub(1);

            let mut good = true;
            if let Some(i) = single {
                good = decode_block(frame, &scan, 0, tables, (mx, my), i, &mut state, &mut bits);
            } else {
                for (slot, &(i, _, _)) in scan.components.iter().enumerate() {
                    let (h, v) = (frame.components[i].h, frame.components[i].v);
                    for by in 0..v {
                        for bx in 0..h {
                            let at = (mx * h + bx, my * v + by);
                            good &= decode_block(
                                frame, &scan, slot, tables, at, i, &mut state, &mut bits,
                            );
                        }
                    }
                }
            }
            if bits.ran_dry() {
                (ending, done) = (Ending::Early { row: my * unit.1 }, index);
                break 'rows;
            }
            if !good {
                let row = my * unit.1;
                return Err(Fault::corrupt(FORMAT, format_args!("a bad code near row {row}")));
            }
        }
    }

    // Later scans of a progressive picture refine what is already there.
    if !frame.progressive || (scan.start == 0 && scan.high == 0) {
        for &(i, _, _) in &scan.components {
            frame.components[i].progress = Progress { done, per_row: across, unit };
        }
    }
    if frame.progressive && ending == Ending::Complete {
        for &(i, _, _) in &scan.components {
            frame.components[i].precision[scan.start..=scan.end].fill(scan.low);
        }
    }
    Ok((bits.position(), ending))
}

fn parse(frame: &Frame, segment: &[u8]) -> Result<Scan, Fault> {
    let short = || Fault::corrupt(FORMAT, "a scan header that is too short");
    let (&count, rest) = segment.split_first().ok_or_else(short)?;
    let count = usize::from(count);
    if count == 0 || count > 4 || count > frame.components.len() {
        return Err(Fault::corrupt(FORMAT, format_args!("a scan of {count} components")));
    }
    let [start, end, bits, ..] = *rest.get(2 * count..).ok_or_else(short)? else {
        return Err(short());
    };
    let mut components = Vec::with_capacity(count);
    for spec in rest[..2 * count].chunks_exact(2) {
        let found = frame.components.iter().position(|c| c.id == spec[0]);
        let Some(i) = found.filter(|&i| !components.iter().any(|&(j, _, _)| i == j)) else {
            return Err(Fault::corrupt(
                FORMAT,
                format_args!("component {} of a scan, unknown or twice", spec[0]),
            ));
        };
        let (dc, ac) = (usize::from(spec[1] >> 4), usize::from(spec[1] & 15));
        if dc > 3 || ac > 3 {
            return Err(Fault::corrupt(FORMAT, "a Huffman table above 3"));
        }
        components.push((i, dc, ac));
    }
    let blocks: usize =
        components.iter().map(|&(i, _, _)| frame.components[i].h * frame.components[i].v).sum();
    if count > 1 && blocks > 10 {
        return Err(Fault::corrupt(
            FORMAT,
            format_args!("{blocks} blocks in an MCU, more than 10"),
        ));
    }
    if !frame.progressive {
        // Sequential scans carry everything, whatever their headers say.
        return Ok(Scan { components, start: 0, end: 63, high: 0, low: 0 });
    }
    let (start, end) = (usize::from(start), usize::from(end));
    let (high, low) = (bits >> 4, bits & 15);
    let dc_only = start == 0 && end == 0;
    let ac_only = start > 0 && end >= start && end < 64 && count == 1;
    if !(dc_only || ac_only) || low > 13 || (high != 0 && high != low + 1) {
        let what = format_args!("a scan of coefficients {start}..{end}, bits {high}..{low}");
        return Err(Fault::corrupt(FORMAT, what));
    }
    Ok(Scan { components, start, end, high, low })
}

/// Every Huffman table that the scan uses is there.
fn check(frame: &Frame, scan: &Scan, tables: &Tables) -> Result<(), Fault> {
    let needs_dc = scan.start == 0 && scan.high == 0;
    let needs_ac = !frame.progressive || scan.start > 0;
    for &(_, dc, ac) in &scan.components {
        if (needs_dc && tables.dc[dc].is_none()) || (needs_ac && tables.ac[ac].is_none()) {
            return Err(Fault::corrupt(FORMAT, "a Huffman table is missing"));
        }
    }
    Ok(())
}

/// What runs through a scan and starts anew at a restart marker.
#[derive(Default)]
struct State {
    /// Last DC of each component.
    dc: [i32; 4],
    /// Blocks left in a run of empty bands.
    empty: u32,
}

/// One block, at `(bx, by)` of component `i`. `false`: the bits are no code.
#[expect(clippy::too_many_arguments, reason = "the inner loop's state, kept in registers")]
fn decode_block(
    frame: &mut Frame,
    scan: &Scan,
    slot: usize,
    tables: &Tables,
    (bx, by): (usize, usize),
    i: usize,
    state: &mut State,
    bits: &mut Bits,
) -> bool {
    let (_, dc, ac) = scan.components[slot];
    let component = &mut frame.components[i];
    if !frame.progressive {
        let (Some(dc), Some(ac), Some(quant)) = (&tables.dc[dc], &tables.ac[ac], &component.quant)
        else {
            return false;
        };
        let mut block = [0; 64];
        let good = sequential(bits, dc, ac, quant, &mut state.dc[i], &mut block).is_some();
        let at = 8 * (by * component.stride + bx);
        idct(&block, &mut component.plane[at..], component.stride);
        return good;
    }
    let at = 64 * (by * component.padded.0 + bx);
    let Some(block) = component.coefficients.get_mut(at..at + 64).and_then(|b| b.first_chunk_mut())
    else {
        return false;
    };
    match (scan.start, scan.high) {
        (0, 0) => {
            let Some(table) = &tables.dc[dc] else { return false };
            let Some(difference) = dc_difference(bits, table) else { return false };
            state.dc[i] = state.dc[i].wrapping_add(difference);
            block[0] = (state.dc[i] << scan.low) as i16;
            true
        }
        (0, _) => {
            if bits.bit() {
                block[0] |= 1 << scan.low;
            }
            true
        }
        (_, 0) => match &tables.ac[ac] {
            Some(table) => ac_first(bits, table, scan, &mut state.empty, block).is_some(),
            None => false,
        },
        _ => match &tables.ac[ac] {
            Some(table) => ac_refine(bits, table, scan, &mut state.empty, block).is_some(),
            None => false,
        },
    }
}

#[inline]
fn dc_difference(bits: &mut Bits, table: &Huffman) -> Option<i32> {
    let size = bits.symbol(table)?;
    (size <= 15).then(|| bits.signed(u32::from(size)))
}

/// F.2.2: DC difference, then runs of zeros and values; dequantised on the way.
#[inline]
fn sequential(
    bits: &mut Bits,
    dc: &Huffman,
    ac: &Huffman,
    quant: &[u16; 64],
    last_dc: &mut i32,
    block: &mut [i32; 64],
) -> Option<()> {
    *last_dc = last_dc.wrapping_add(dc_difference(bits, dc)?);
    block[0] = last_dc.wrapping_mul(i32::from(quant[0]));
    let mut k = 1;
    while k < 64 {
        let symbol = bits.symbol(ac)?;
        let (run, size) = (usize::from(symbol >> 4), u32::from(symbol & 15));
        if size == 0 {
            if run != 15 {
                break;
            }
            k += 16;
            continue;
        }
        k += run;
        let at = usize::from(*ZIGZAG.get(k)?);
        block[at] = bits.signed(size).wrapping_mul(i32::from(quant[at]));
        k += 1;
    }
    Some(())
}

/// G.1.2.2: the first bits of a band.
fn ac_first(
    bits: &mut Bits,
    table: &Huffman,
    scan: &Scan,
    empty: &mut u32,
    block: &mut [i16; 64],
) -> Option<()> {
    if *empty > 0 {
        *empty -= 1;
        return Some(());
    }
    let mut k = scan.start;
    while k <= scan.end {
        let symbol = bits.symbol(table)?;
        let (run, size) = (usize::from(symbol >> 4), u32::from(symbol & 15));
        if size == 0 {
            if run != 15 {
                *empty = (1 << run) + bits.bits(run as u32) - 1;
                break;
            }
            k += 16;
            continue;
        }
        k += run;
        let at = usize::from(*ZIGZAG.get(k)?);
        block[at] = (bits.signed(size) << scan.low) as i16;
        k += 1;
    }
    Some(())
}

/// G.1.2.3: one more bit of a band; values that are new come between correction bits.
fn ac_refine(
    bits: &mut Bits,
    table: &Huffman,
    scan: &Scan,
    empty: &mut u32,
    block: &mut [i16; 64],
) -> Option<()> {
    let one = 1i16 << scan.low;
    let mut k = scan.start;
    if *empty == 0 {
        while k <= scan.end {
            let symbol = bits.symbol(table)?;
            let (mut run, size) = (symbol >> 4, symbol & 15);
            let mut fresh = 0;
            match size {
                0 if run != 15 => {
                    *empty = (1 << run) + bits.bits(u32::from(run));
                    break;
                }
                0 => {}
                1 => fresh = if bits.bit() { one } else { -one },
                _ => return None,
            }
            while k <= scan.end {
                let at = usize::from(ZIGZAG[k]);
                if block[at] != 0 {
                    correct(bits, &mut block[at], one);
                } else if run == 0 {
                    if fresh != 0 {
                        block[at] = fresh;
                    }
                    k += 1;
                    break;
                } else {
                    run -= 1;
                }
                k += 1;
            }
        }
    }
    if *empty > 0 {
        while k <= scan.end {
            let at = usize::from(ZIGZAG[k]);
            if block[at] != 0 {
                correct(bits, &mut block[at], one);
            }
            k += 1;
        }
        *empty -= 1;
    }
    Some(())
}

/// A correction bit moves a value away from zero, once.
#[inline]
fn correct(bits: &mut Bits, value: &mut i16, one: i16) {
    if bits.bit() && *value & one == 0 {
        *value = if *value > 0 { value.wrapping_add(one) } else { value.wrapping_sub(one) };
    }
}
