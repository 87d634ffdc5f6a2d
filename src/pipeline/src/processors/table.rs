//! Tables in CSV (RFC 4180) that processors look things up in.

/// A table as it was read.
pub(super) struct Table {
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<Box<[Box<str>]>>,
}

impl Table {
    pub(super) fn read(bytes: Vec<u8>) -> Result<Self, String> {
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(&bytes[..]);
        let columns = reader.headers().map_err(|why| format!("the table can't be read: {why}"))?;
        let columns: Vec<String> =
            columns.iter().map(|name| name.trim_start_matches('\u{feff}').trim().to_owned()).collect();
        let mut rows = Vec::new();
        for record in reader.records() {
            // A row that can't be read, or has more or fewer cells, is left out.
            let Ok(record) = record else { continue };
            if record.len() == columns.len() {
                rows.push(record.iter().map(Box::from).collect());
            }
        }
        Ok(Self { columns, rows })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_another_length_and_a_byte_order_mark_are_left_out() {
        let table = Table::read("\u{feff}a,b\n1,2\n3\n\"x,y\",\n".into()).expect("a table");
        assert_eq!(table.columns, ["a", "b"]);
        let rows: Vec<Vec<&str>> =
            table.rows.iter().map(|row| row.iter().map(|cell| &**cell).collect()).collect();
        assert_eq!(rows, [vec!["1", "2"], vec!["x,y", ""]]);
    }
}
