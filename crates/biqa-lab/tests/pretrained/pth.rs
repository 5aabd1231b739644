//! PyTorch's file format, as far as a state dict needs it: a ZIP without compression, which holds
//! a pickle of names and shapes and one entry a storage.

use half::f16;
use std::io::Write;
use std::path::Path;

/// What a tensor holds; every element is the same.
#[derive(Clone, Copy)]
pub enum Fill {
    /// 16-bit floats.
    Half(f32),
    /// A count of batches.
    Long(i64),
}

/// A tensor of a state dict.
pub struct Entry {
    pub name: String,
    pub shape: Vec<usize>,
    pub fill: Fill,
}

/// Writes a state dict, under the key `wrapper` beside an `epoch` where there is one.
pub fn write(path: &Path, entries: &[Entry], wrapper: Option<&str>) {
    let mut zip = Zip { out: Vec::new(), directory: Vec::new(), entries: 0 };
    zip.add("archive/data.pkl", &pickle(entries, wrapper));
    zip.add("archive/byteorder", b"little");
    for (i, entry) in entries.iter().enumerate() {
        let n = entry.shape.iter().product();
        let bytes = match entry.fill {
            Fill::Half(value) => f16::from_f32(value).to_le_bytes().repeat(n),
            Fill::Long(value) => value.to_le_bytes().repeat(n),
        };
        zip.add(&format!("archive/data/{i}"), &bytes);
    }
    zip.add("archive/version", b"3\n");
    let mut file = std::fs::File::create(path).expect("a writable folder");
    file.write_all(&zip.finished()).expect("a writable folder");
}

// Opcodes of protocol 2 by their letters: `(` mark, `t` tuple, `}` dict, `u` set items, `X` text,
// `J` integer, `c` global, `R` call, `Q` persistent id, `)` empty tuple.
fn pickle(entries: &[Entry], wrapper: Option<&str>) -> Vec<u8> {
    let mut out = b"\x80\x02".to_vec();
    if let Some(key) = wrapper {
        out.extend(b"}(");
        text(&mut out, "epoch");
        integer(&mut out, 8);
        text(&mut out, key);
    }
    out.extend(b"ccollections\nOrderedDict\n)R(");
    for (i, Entry { name, shape, fill }) in entries.iter().enumerate() {
        text(&mut out, name);
        out.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
        text(&mut out, "storage");
        out.extend(match fill {
            Fill::Half(_) => &b"ctorch\nHalfStorage\n"[..],
            Fill::Long(_) => b"ctorch\nLongStorage\n",
        });
        text(&mut out, &i.to_string());
        text(&mut out, "cpu");
        integer(&mut out, shape.iter().product());
        out.extend(b"tQ");
        integer(&mut out, 0);
        tuple(&mut out, shape);
        let stride = |k: usize| shape[k + 1..].iter().product();
        tuple(&mut out, &(0..shape.len()).map(stride).collect::<Vec<usize>>());
        out.extend(b"\x89ccollections\nOrderedDict\n)RtR");
    }
    out.push(b'u');
    if wrapper.is_some() {
        out.push(b'u');
    }
    out.push(b'.');
    out
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.push(b'X');
    out.extend((text.len() as u32).to_le_bytes());
    out.extend(text.as_bytes());
}

fn integer(out: &mut Vec<u8>, value: usize) {
    out.push(b'J');
    out.extend((value as i32).to_le_bytes());
}

fn tuple(out: &mut Vec<u8>, values: &[usize]) {
    out.push(b'(');
    for &value in values {
        integer(out, value);
    }
    out.push(b't');
}

struct Zip {
    out: Vec<u8>,
    directory: Vec<u8>,
    entries: u16,
}

impl Zip {
    fn add(&mut self, name: &str, bytes: &[u8]) {
        let mut common = Vec::new();
        common.extend([20_u16, 0, 0, 0, 0x21].map(u16::to_le_bytes).concat()); // dated 1980-01-01
        common.extend(checksum(bytes).to_le_bytes());
        common.extend([bytes.len() as u32; 2].map(u32::to_le_bytes).concat());
        common.extend([name.len() as u16, 0].map(u16::to_le_bytes).concat());

        let offset = self.out.len() as u32;
        self.out.extend(b"PK\x03\x04");
        self.out.extend(&common);
        self.out.extend(name.as_bytes());
        self.out.extend(bytes);

        self.directory.extend(b"PK\x01\x02\x14\x00");
        self.directory.extend(&common);
        self.directory.extend([0; 10]); // no comment, first disk, no attributes
        self.directory.extend(offset.to_le_bytes());
        self.directory.extend(name.as_bytes());
        self.entries += 1;
    }

    fn finished(mut self) -> Vec<u8> {
        let start = self.out.len() as u32;
        let size = self.directory.len() as u32;
        self.out.append(&mut self.directory);
        self.out.extend(b"PK\x05\x06\x00\x00\x00\x00");
        self.out.extend([self.entries; 2].map(u16::to_le_bytes).concat());
        self.out.extend([size, start].map(u32::to_le_bytes).concat());
        self.out.extend([0; 2]);
        self.out
    }
}

/// CRC-32 of a ZIP.
fn checksum(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
    let table: Vec<u32> = (0..256).map(|i| (0..8).fold(i, |crc, _| step(crc))).collect();
    let next = |crc: u32, &byte: &u8| (crc >> 8) ^ table[((crc ^ u32::from(byte)) & 255) as usize];
    !bytes.iter().fold(u32::MAX, next)
}
