//! Labels in a Parquet file, flat columns. Called by `own` for lists that end in `.parquet`.

use super::DatasetError;
use super::table::Table;
use ::parquet::file::reader::{FileReader, SerializedFileReader};
use ::parquet::record::Field;
use std::fs::File;
use std::path::Path;

/// Every column as text, as a CSV of it would have them; numbers in the form that reads back equal.
pub(super) fn read(file: &Path) -> Result<Table, DatasetError> {
    let open = File::open(file)
        .map_err(|source| DatasetError::Read { path: file.to_path_buf(), source })?;
    let refuse = |error: ::parquet::errors::ParquetError| DatasetError::Refused {
        file: file.to_path_buf(),
        reason: format!("{error}; write it without compression, or as CSV"),
    };
    let reader = SerializedFileReader::new(open).map_err(refuse)?;
    let schema = reader.metadata().file_metadata().schema();
    let header: Vec<String> =
        schema.get_fields().iter().map(|field| field.name().to_owned()).collect();
    let mut rows = Vec::new();
    for row in reader.get_row_iter(None).map_err(refuse)? {
        let row = row.map_err(refuse)?;
        rows.push(row.get_column_iter().map(|(_, field)| text(field)).collect());
    }
    Ok(Table::of_rows(file, &header, rows))
}

fn text(field: &Field) -> String {
    match field {
        Field::Null => String::new(),
        Field::Str(text) => text.trim().to_owned(),
        Field::Bytes(bytes) => String::from_utf8_lossy(bytes.data()).trim().to_owned(),
        // Exactly the value, not the shortest text of the narrow type.
        Field::Float(value) => f64::from(*value).to_string(),
        Field::Double(value) => value.to_string(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int32Type};
    use ::parquet::file::properties::WriterProperties;
    use ::parquet::file::writer::SerializedFileWriter;
    use ::parquet::schema::parser::parse_message_type;
    use std::sync::Arc;

    const SCHEMA: &str = "message labels { required binary Path (STRING); optional double score; \
                          optional int32 level; }";

    fn written(folder: &Path) -> std::path::PathBuf {
        let path = folder.join("labels.parquet");
        let schema = Arc::new(parse_message_type(SCHEMA).expect("a schema"));
        let out = File::create(&path).expect("writable");
        let properties = Arc::new(WriterProperties::builder().build());
        let mut out = SerializedFileWriter::new(out, schema, properties).expect("a writer");
        let mut group = out.next_row_group().expect("a group");
        let mut column = group.next_column().expect("no error").expect("path");
        let paths = [ByteArray::from("a, b.png"), ByteArray::from("c.png")];
        column.typed::<ByteArrayType>().write_batch(&paths, None, None).expect("written");
        column.close().expect("closed");
        let mut column = group.next_column().expect("no error").expect("score");
        let scores = column.typed::<DoubleType>();
        scores.write_batch(&[0.1, 1e-9], Some(&[1, 1]), None).expect("written");
        column.close().expect("closed");
        let mut column = group.next_column().expect("no error").expect("level");
        column.typed::<Int32Type>().write_batch(&[3], Some(&[1, 0]), None).expect("written");
        column.close().expect("closed");
        group.close().expect("closed");
        out.close().expect("closed");
        path
    }

    #[test]
    fn a_flat_file_is_a_table() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let table = read(&written(folder.path())).expect("a good file");
        let [path, score, level] = ["path", "score", "level"].map(|name| table.column(&[name]));
        let [first, second] = table.records.as_slice() else { panic!("two rows") };
        assert_eq!(first.optional(path), Some("a, b.png"));
        assert_eq!(table.number(second, score.expect("there")).expect("a number"), 1e-9);
        assert_eq!((first.optional(level), second.optional(level)), (Some("3"), None));
        assert_eq!((table.unit, second.line), ("row", 2));
    }

    #[test]
    fn bytes_that_are_no_parquet_are_refused_by_name() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("x.parquet");
        std::fs::write(&path, b"path,score\n").expect("writable");
        let text = read(&path).expect_err("no Parquet").to_string();
        assert!(text.contains("x.parquet") && text.contains("as CSV"), "{text}");
    }
}
