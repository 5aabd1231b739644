//! The item boxes of an AVIF file (ISO/IEC 23008-12 and the AV1 image file format): which bytes are
//! the primary picture and its alpha, and which properties they have.

use super::super::error::Fault;
use super::super::native::Job;
use super::FORMAT;

/// One coded picture.
#[derive(Clone, Debug)]
pub(super) struct Item<'a> {
    pub(super) data: Vec<&'a [u8]>,
    pub(super) width: u32,
    pub(super) height: u32,
}

/// What the file says.
pub(super) struct Container<'a> {
    pub(super) primary: Item<'a>,
    pub(super) alpha: Option<Item<'a>>,
    pub(super) premultiplied: bool,
    /// As an EXIF value: turning and mirroring are properties of the item.
    pub(super) orientation: u8,
    pub(super) icc: Option<&'a [u8]>,
    /// Primaries, transfer, matrix, full range.
    pub(super) nclx: Option<(u16, u16, u16, bool)>,
}

/// A reader of big-endian numbers; `None` at the end.
#[derive(Clone, Copy)]
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(taken)
    }

    /// A number of 0, 1, 2, 4 or 8 bytes.
    fn number(&mut self, bytes: usize) -> Option<u64> {
        Some(self.take(bytes)?.iter().fold(0, |v, &byte| v << 8 | u64::from(byte)))
    }

    /// Version of a full box.
    fn version(&mut self) -> Option<u8> {
        Some(self.take(4)?[0])
    }

    /// The next box: type and content.
    fn next_box(&mut self) -> Option<([u8; 4], &'a [u8])> {
        let mut ahead = *self;
        let short = ahead.number(4)?;
        let kind: [u8; 4] = ahead.take(4)?.try_into().ok()?;
        let (header, size) = match short {
            0 => (8, self.0.len() as u64),
            1 => (16, ahead.number(8)?),
            size => (8, size),
        };
        let whole = self.take(usize::try_from(size).ok()?)?;
        Some((kind, whole.get(header..)?))
    }
}

/// The content of the first box of a kind.
fn find(bytes: &[u8], wanted: [u8; 4]) -> Option<&[u8]> {
    let mut cursor = Cursor(bytes);
    while let Some((kind, content)) = cursor.next_box() {
        if kind == wanted {
            return Some(content);
        }
    }
    None
}

/// The boxes inside `meta`.
struct Meta<'a> {
    file: &'a [u8],
    boxes: &'a [u8],
    properties: Vec<([u8; 4], &'a [u8])>,
}

pub(super) fn read<'a>(job: &Job<'a>) -> Result<Container<'a>, Fault> {
    let ends = || Fault::ends_after(FORMAT, job.bytes.len());
    let broken = |what: &str| Fault::corrupt(FORMAT, what);
    let meta = find(job.bytes, *b"meta").and_then(|meta| meta.get(4..));
    let Some(boxes) = meta else {
        return Err(if find(job.bytes, *b"moov").is_some() {
            Fault::unsupported("AVIF sequence")
        } else {
            ends()
        });
    };
    let mut properties = Vec::new();
    if let Some(list) = find(boxes, *b"iprp").and_then(|iprp| find(iprp, *b"ipco")) {
        let mut cursor = Cursor(list);
        while let Some(property) = cursor.next_box() {
            properties.push(property);
            job.limits.check_chunks(FORMAT, properties.len() as u64)?;
        }
    }
    let meta = Meta { file: job.bytes, boxes, properties };
    let primary_id = meta.primary().ok_or_else(|| broken("no primary picture"))?;
    match meta.item_type(primary_id) {
        Some(kind) if &kind == b"av01" => {}
        Some(kind) if &kind == b"grid" => return Err(Fault::unsupported("grid AVIF")),
        _ => return Err(broken("the primary picture is no AV1 picture")),
    }
    let primary_properties = meta.properties_of(primary_id);
    let primary = meta.item(job, primary_id, &primary_properties)?;

    let mut alpha = None;
    let mut premultiplied = false;
    for id in meta.references(*b"auxl", primary_id) {
        let properties = meta.properties_of(id);
        let is_alpha = properties.iter().any(|(kind, data)| {
            kind == b"auxC"
                && (data[4.min(data.len())..]
                    .starts_with(b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha")
                    || data[4.min(data.len())..].starts_with(b"urn:mpeg:hevc:2015:auxid:1"))
        });
        if is_alpha && alpha.is_none() {
            if meta.item_type(id) != Some(*b"av01") {
                return Err(Fault::unsupported("grid AVIF"));
            }
            alpha = Some(meta.item(job, id, &properties)?);
            premultiplied = meta.references(*b"prem", id).contains(&primary_id);
        }
    }

    let mut icc = None;
    let mut nclx = None;
    for (_, data) in primary_properties.iter().filter(|(kind, _)| kind == b"colr") {
        let mut cursor = Cursor(data);
        match cursor.take(4) {
            Some(b"prof" | b"rICC") => icc = icc.or(Some(cursor.0)),
            Some(b"nclx") => {
                let numbers = [(); 3].map(|()| cursor.number(2).unwrap_or(2) as u16);
                let full = cursor.number(1).is_some_and(|byte| byte & 0x80 != 0);
                nclx = nclx.or(Some((numbers[0], numbers[1], numbers[2], full)));
            }
            _ => {}
        }
    }
    let orientation = orientation(&primary_properties);
    Ok(Container { primary, alpha, premultiplied, orientation, icc, nclx })
}

/// `irot` (quarter turns counter-clockwise), then `imir` (0: top to bottom, 1: left to right).
fn orientation(properties: &[([u8; 4], &[u8])]) -> u8 {
    let value = |wanted: &[u8; 4]| {
        properties
            .iter()
            .find(|(kind, _)| kind == wanted)
            .and_then(|(_, data)| data.first().copied())
    };
    let turns = value(b"irot").map_or(0, |byte| byte & 3);
    match (turns, value(b"imir").map(|byte| byte & 1)) {
        (0, None) => 1,
        (0, Some(1)) | (2, Some(0)) => 2,
        (2, None) => 3,
        (0 | 2, Some(_)) => 4,
        (1, Some(0)) | (3, Some(1)) => 5,
        (3, None) => 6,
        (1 | 3, Some(_)) => 7,
        _ => 8,
    }
}

impl<'a> Meta<'a> {
    fn primary(&self) -> Option<u32> {
        let mut cursor = Cursor(find(self.boxes, *b"pitm")?);
        let bytes = if cursor.version()? == 0 { 2 } else { 4 };
        Some(cursor.number(bytes)? as u32)
    }

    fn item_type(&self, id: u32) -> Option<[u8; 4]> {
        let mut cursor = Cursor(find(self.boxes, *b"iinf")?);
        let bytes = if cursor.version()? == 0 { 2 } else { 4 };
        cursor.number(bytes)?;
        while let Some((kind, content)) = cursor.next_box() {
            let mut entry = Cursor(content);
            let version = entry.version()?;
            if &kind != b"infe" || version < 2 {
                continue;
            }
            let entry_id = entry.number(if version == 2 { 2 } else { 4 })? as u32;
            entry.number(2)?;
            if entry_id == id {
                return entry.take(4)?.try_into().ok();
            }
        }
        None
    }

    /// Items that point at `to` with this kind of reference.
    fn references(&self, wanted: [u8; 4], to: u32) -> Vec<u32> {
        let mut found = Vec::new();
        let Some(list) = find(self.boxes, *b"iref") else { return found };
        let mut cursor = Cursor(list);
        let Some(version) = cursor.version() else { return found };
        let bytes = if version == 0 { 2 } else { 4 };
        while let Some((kind, content)) = cursor.next_box() {
            let mut entry = Cursor(content);
            let (Some(from), Some(count)) = (entry.number(bytes), entry.number(2)) else { break };
            let points = (0..count).any(|_| entry.number(bytes) == Some(u64::from(to)));
            if kind == wanted && points {
                found.push(from as u32);
            }
        }
        found
    }

    /// The properties of an item, in their order of association.
    fn properties_of(&self, id: u32) -> Vec<([u8; 4], &'a [u8])> {
        let mut found = Vec::new();
        let list = find(self.boxes, *b"iprp").and_then(|iprp| find(iprp, *b"ipma"));
        let _ = list.and_then(|list| self.associations(list, id, &mut found));
        found
    }

    fn associations(&self, list: &[u8], id: u32, out: &mut Vec<([u8; 4], &'a [u8])>) -> Option<()> {
        let mut cursor = Cursor(list);
        let flags = cursor.number(4)?;
        let (id_bytes, wide) = (if flags >> 24 == 0 { 2 } else { 4 }, flags & 1 == 1);
        for _ in 0..cursor.number(4)? {
            let item = cursor.number(id_bytes)? as u32;
            for _ in 0..cursor.number(1)? {
                let index =
                    if wide { cursor.number(2)? & 0x7FFF } else { cursor.number(1)? & 0x7F };
                let property = (index as usize).checked_sub(1).and_then(|i| self.properties.get(i));
                if item == id {
                    out.extend(property);
                }
            }
        }
        Some(())
    }

    fn item(
        &self,
        job: &Job,
        id: u32,
        properties: &[([u8; 4], &'a [u8])],
    ) -> Result<Item<'a>, Fault> {
        let size = properties.iter().find(|(kind, _)| kind == b"ispe").and_then(|(_, data)| {
            let mut cursor = Cursor(data);
            cursor.version()?;
            Some((cursor.number(4)?, cursor.number(4)?))
        });
        let Some((width, height)) = size else {
            return Err(Fault::corrupt(FORMAT, "a picture without a size (ispe)"));
        };
        job.limits.check_size(FORMAT, width, height)?;
        let data = self.extents(id).ok_or_else(|| Fault::ends_after(FORMAT, self.file.len()))?;
        Ok(Item { data, width: width as u32, height: height as u32 })
    }

    /// Where the bytes of an item lie (`iloc`); `None`: beyond the file, or nowhere.
    fn extents(&self, id: u32) -> Option<Vec<&'a [u8]>> {
        let mut cursor = Cursor(find(self.boxes, *b"iloc")?);
        let version = cursor.version()?;
        let sizes = cursor.number(2)?;
        let nibble = |shift: u32| (sizes >> shift & 15) as usize;
        let (offset_bytes, length_bytes, base_bytes) = (nibble(12), nibble(8), nibble(4));
        let index_bytes = if version == 0 { 0 } else { nibble(0) };
        if [offset_bytes, length_bytes, base_bytes, index_bytes].iter().any(|&n| n > 8) {
            return None;
        }
        let id_bytes = if version < 2 { 2 } else { 4 };
        for _ in 0..cursor.number(id_bytes)? {
            let item = cursor.number(id_bytes)? as u32;
            let method = if version == 0 { 0 } else { cursor.number(2)? & 15 };
            cursor.number(2)?;
            let base = cursor.number(base_bytes)?;
            let source = match method {
                0 => self.file,
                1 => find(self.boxes, *b"idat").unwrap_or(&[]),
                _ => &[],
            };
            let mut extents = Vec::new();
            for _ in 0..cursor.number(2)? {
                cursor.number(index_bytes)?;
                let offset = cursor.number(offset_bytes)?;
                let length = cursor.number(length_bytes)?;
                if item == id {
                    let start = usize::try_from(base.checked_add(offset)?).ok()?;
                    let end = start.checked_add(usize::try_from(length).ok()?)?;
                    // A length of 0 is "to the end".
                    let end = if length == 0 { source.len() } else { end };
                    extents.push(source.get(start..end)?);
                }
            }
            if item == id {
                return Some(extents).filter(|extents| !extents.is_empty());
            }
        }
        None
    }
}
