//! JPEG of one colour, baseline, from marker segments (ITU-T T.81).

/// A JPEG of one colour. The quantisation step is 8, so that a DC difference is a level.
pub struct Plain {
    pub size: (u16, u16),
    /// Id, sampling, level.
    pub components: Vec<(u8, u8, u8)>,
    /// Marker segments before the frame header: code and content.
    pub segments: Vec<(u8, Vec<u8>)>,
    pub frame_marker: u8,
    pub precision: u8,
    pub restart: u16,
}

impl Plain {
    pub fn new(components: &[(u8, u8, u8)]) -> Self {
        let components = components.to_vec();
        Self {
            size: (8, 8),
            components,
            segments: Vec::new(),
            frame_marker: 0xC0,
            precision: 8,
            restart: 0,
        }
    }

    pub fn with(mut self, marker: u8, content: &[u8]) -> Self {
        self.segments.push((marker, content.to_vec()));
        self
    }

    pub fn adobe(self, transform: u8) -> Self {
        self.with(0xEE, &[b"Adobe\0\x64\0\0\0\0".as_slice(), &[transform]].concat())
    }

    pub fn sized(mut self, width: u16, height: u16) -> Self {
        self.size = (width, height);
        self
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut out = vec![0xFF, 0xD8];
        let mut push = |marker: u8, content: &[u8]| {
            out.extend([0xFF, marker]);
            out.extend((content.len() as u16 + 2).to_be_bytes());
            out.extend(content);
        };
        for (marker, content) in &self.segments {
            push(*marker, content);
        }
        push(0xDB, &[&[0u8][..], &[8; 64]].concat());
        let mut frame = vec![self.precision];
        frame.extend(self.size.1.to_be_bytes());
        frame.extend(self.size.0.to_be_bytes());
        frame.push(self.components.len() as u8);
        frame.extend(self.components.iter().flat_map(|&(id, sampling, _)| [id, sampling, 0]));
        push(self.frame_marker, &frame);
        // DC: sizes 0 to 8 are the 4-bit codes 0 to 8. AC: one code, "0", the end of the block.
        let mut dc = [0u8; 17];
        dc[4] = 9;
        push(0xC4, &[&dc[..], &[0, 1, 2, 3, 4, 5, 6, 7, 8]].concat());
        let mut ac = [0u8; 17];
        (ac[0], ac[1]) = (0x10, 1);
        push(0xC4, &[&ac[..], &[0]].concat());
        if self.restart > 0 {
            push(0xDD, &self.restart.to_be_bytes());
        }
        let mut scan = vec![self.components.len() as u8];
        scan.extend(self.components.iter().flat_map(|&(id, _, _)| [id, 0]));
        scan.extend([0, 63, 0]);
        push(0xDA, &scan);
        out.extend(self.entropy());
        out.extend([0xFF, 0xD9]);
        out
    }

    fn entropy(&self) -> Vec<u8> {
        let factors = |s: u8| (u16::from(s >> 4), u16::from(s & 15));
        let h_max = self.components.iter().map(|c| factors(c.1).0).max().unwrap();
        let v_max = self.components.iter().map(|c| factors(c.1).1).max().unwrap();
        let single = self.components.len() == 1;
        let unit = if single { (8, 8) } else { (8 * h_max, 8 * v_max) };
        let mcus = self.size.0.div_ceil(unit.0) * self.size.1.div_ceil(unit.1);
        let mut bits = Bits::default();
        let mut last = vec![0i32; self.components.len()];
        for mcu in 0..mcus {
            if self.restart > 0 && mcu > 0 && mcu % self.restart == 0 {
                bits.align();
                bits.out.extend([0xFF, 0xD0 + ((mcu / self.restart - 1) % 8) as u8]);
                last.fill(0);
            }
            for (i, &(_, sampling, level)) in self.components.iter().enumerate() {
                let (h, v) = if single { (1, 1) } else { factors(sampling) };
                for _ in 0..h * v {
                    let dc = i32::from(level) - 128;
                    bits.difference(dc - last[i]);
                    last[i] = dc;
                }
            }
        }
        bits.align();
        bits.out
    }
}

#[derive(Default)]
struct Bits {
    out: Vec<u8>,
    value: u32,
    count: u32,
}

impl Bits {
    fn push(&mut self, value: u32, count: u32) {
        for i in (0..count).rev() {
            self.value = self.value << 1 | (value >> i & 1);
            self.count += 1;
            if self.count == 8 {
                self.out.push(self.value as u8);
                if self.value == 0xFF {
                    self.out.push(0);
                }
                (self.value, self.count) = (0, 0);
            }
        }
    }

    fn difference(&mut self, d: i32) {
        let size = 32 - d.unsigned_abs().leading_zeros();
        self.push(size, 4);
        let extra = if d < 0 { d - 1 } else { d } as u32;
        self.push(extra & ((1 << size) - 1), size);
        self.push(0, 1); // end of block
    }

    fn align(&mut self) {
        while self.count != 0 {
            self.push(1, 1);
        }
    }
}

/// Red in YCbCr, not subsampled.
pub const YCC: [(u8, u8, u8); 3] = [(1, 0x11, 76), (2, 0x11, 85), (3, 0x11, 255)];
