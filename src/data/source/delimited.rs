//! Tables of delimited text with a header: CSV (RFC 4180), TSV, and the same with semicolons.
//!
//! Bytes become records, records vote for kinds of columns, and a second pass over the records fills typed columns: no
//! cell is kept as a string of its own. Blank lines are passed over, except in a file with one column: there each is a row
//! with a missing value, so that answers line up with lines; a blank last line is none.

use super::{FileDigest, Format, Purpose, Request, Source, bytes, missing_columns};
use crate::data::error::{near_names, quoted};
use crate::data::infer::{Kind, Kinds, has_decimal_comma, number};
use crate::data::raw::{Column, RawBatch, TextBuilder, TextColumn, is_missing};
use crate::data::schema::{Field, FieldKind};
use crate::data::{DataError, doubts};
use csv::{ReaderBuilder, StringRecord};
use std::borrow::Cow;
use std::path::Path;

/// Delimited text.
pub static DELIMITED: Format = Format {
    name: "CSV or TSV",
    doc: "a text file with a header and cells separated by comma, semicolon or tab",
    sniff: |path, head| path.is_file() && !head.contains(&0) && !BINARY.iter().any(|magic| head.starts_with(magic)),
    read,
};

/// First bytes of Parquet, gzip, PNG and JPEG files, which are no text though they may start without a zero.
const BINARY: [&[u8]; 4] = [b"PAR1", &[0x1f, 0x8b], &[0x89, b'P', b'N', b'G'], &[0xff, 0xd8, 0xff]];
const DELIMITERS: [u8; 3] = [b',', b';', b'\t'];
/// Records by which the delimiter is chosen.
const SNIFFED: usize = 50;

fn read(request: &Request<'_>) -> Result<Source, DataError> {
    let path = request.path;
    let content = bytes(path)?;
    let files = vec![FileDigest::of(path, &content)];
    let text = checked_text(path, &content)?;
    let mut records = Records { path, text: text.into(), delimiter: delimiter(text) };
    if let Some(line) = open_quote(text, records.delimiter) {
        let problem = "a quote opens here that nothing closes; close it, or double each quote inside of quotes";
        return Err(DataError::line(path, line, problem));
    }
    let mut header = header(&records)?;
    if header.len() == 1 {
        records.text = with_blank_lines_quoted(text).into();
    }
    let target = match request.target {
        Some(name) => Some(position(path, &header, name)?),
        None if matches!(request.purpose, Purpose::Learn(_)) => {
            return Err(DataError::NoTarget { path: path.into(), columns: quoted(&header) });
        }
        None => None,
    };
    let target_name = target.map(|i| header[i].clone());
    let group = request.group.map(|name| group_position(path, &header, name, target)).transpose()?;
    let mut warnings = Vec::new();
    let plan = match request.purpose {
        Purpose::Learn(known) => inferred(&records, &mut header, known, [target, group], &mut warnings)?,
        Purpose::Apply(fields) => given(path, &mut header, fields, target)?,
    };
    let (inputs, [target, group]) = fill(&records, &header, plan, [target, group])?;
    if let (Purpose::Learn(known), RawBatch::Table { columns, .. }) = (request.purpose, &inputs) {
        let texts = columns.iter().filter_map(|(name, column)| match column {
            Column::Text(text) if known.iter().all(|field| field.name != *name) => Some((name.as_str(), text)),
            _ => None,
        });
        warnings.extend(doubts::of(texts.chain(target_name.as_deref().zip(target.as_ref()))));
    }
    Ok(Source { inputs, target, labels: false, target_name, group, part: None, files, warnings })
}

/// Line of the cell whose quotes are still open at the end of the text, which would swallow all records after it.
fn open_quote(text: &str, delimiter: u8) -> Option<u64> {
    let (mut line, mut opened, mut at_start) = (1, None, true);
    let mut bytes = text.bytes().peekable();
    while let Some(byte) = bytes.next() {
        match (byte, opened) {
            (b'"', Some(_)) if bytes.peek() == Some(&b'"') => _ = bytes.next(),
            (b'"', Some(_)) => opened = None,
            (b'"', None) if at_start => opened = Some(line),
            _ => {}
        }
        line += u64::from(byte == b'\n');
        at_start = opened.is_none() && (byte == delimiter || byte == b'\n' || byte == b'\r');
    }
    opened
}

/// A text of one column in which blank lines after the header are empty cells in quotes, which are records; all but a blank
/// last line.
fn with_blank_lines_quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len());
    let (mut in_quotes, mut header) = (false, true);
    let mut lines = text.split_inclusive('\n').peekable();
    while let Some(line) = lines.next() {
        let is_blank = matches!(line, "\n" | "\r\n");
        if is_blank && !in_quotes && !header && lines.peek().is_some() {
            quoted.push_str("\"\"");
        }
        quoted.push_str(line);
        // A quote within quotes is doubled, so that it closes them and opens them again. Elsewhere than at the start of the
        // only cell of a line it is a character like any other.
        if in_quotes || line.starts_with('"') {
            in_quotes ^= line.matches('"').count() % 2 == 1;
        }
        header &= is_blank || in_quotes;
    }
    quoted
}

/// The content as text without a byte order mark.
fn checked_text<'a>(path: &Path, content: &'a [u8]) -> Result<&'a str, DataError> {
    let line = |at: usize| 1 + content[..at].iter().filter(|&&b| b == b'\n').count() as u64;
    if let Some(at) = content.iter().position(|&b| b == 0) {
        return Err(DataError::line(path, line(at), "there is a zero byte: this is no text file"));
    }
    let text = std::str::from_utf8(content)
        .map_err(|e| DataError::line(path, line(e.valid_up_to()), "the text is not UTF-8; convert the file to UTF-8"))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim().is_empty() {
        return Err(DataError::file(path, "is empty; a header with the names of the columns and rows are expected"));
    }
    Ok(text)
}

/// The delimiter that gives the header's number of cells, at least two, to the most records; comma where none does.
fn delimiter(text: &str) -> u8 {
    let agreement = |delimiter: u8| {
        let mut reader = reader(text, delimiter);
        let lengths: Vec<usize> = reader.records().take(SNIFFED).map(|r| r.map_or(0, |r| r.len())).collect();
        let header = lengths.first().copied().unwrap_or(0);
        if header < 2 { (0, 0) } else { (lengths.iter().filter(|&&n| n == header).count(), header) }
    };
    let mut best = (b',', (0, 0));
    for delimiter in DELIMITERS {
        let score = agreement(delimiter);
        if score > best.1 {
            best = (delimiter, score);
        }
    }
    best.0
}

fn reader(text: &str, delimiter: u8) -> csv::Reader<&[u8]> {
    ReaderBuilder::new().has_headers(false).flexible(true).delimiter(delimiter).from_reader(text.as_bytes())
}

/// The records of a text.
struct Records<'a> {
    path: &'a Path,
    text: Cow<'a, str>,
    delimiter: u8,
}

impl Records<'_> {
    /// Calls `each` for every record after the header with its line; all have `width` cells.
    fn each(
        &self,
        width: usize,
        mut each: impl FnMut(u64, &StringRecord) -> Result<(), DataError>,
    ) -> Result<(), DataError> {
        let mut reader = reader(&self.text, self.delimiter);
        let mut record = StringRecord::new();
        let mut first = true;
        while reader.read_record(&mut record).map_err(|e| DataError::file(self.path, e.to_string()))? {
            if std::mem::take(&mut first) {
                continue;
            }
            let line = record.position().map_or(0, |p| p.line());
            if record.len() != width {
                let problem = format!("{} where the header has {width}", cells(record.len()));
                return Err(DataError::line(self.path, line, problem));
            }
            each(line, &record)?;
        }
        Ok(())
    }
}

fn cells(n: usize) -> String {
    if n == 1 { "1 cell".into() } else { format!("{n} cells") }
}

/// Names of the columns.
fn header(records: &Records<'_>) -> Result<Vec<String>, DataError> {
    let mut record = StringRecord::new();
    reader(&records.text, records.delimiter)
        .read_record(&mut record)
        .map_err(|e| DataError::file(records.path, e.to_string()))?;
    let names: Vec<String> = record.iter().map(Into::into).collect();
    let mut sorted: Vec<&String> = names.iter().filter(|n| !n.trim().is_empty()).collect();
    sorted.sort();
    let mut twice: Vec<&String> = sorted.windows(2).filter(|w| w[0] == w[1]).map(|w| w[0]).collect();
    twice.dedup();
    if !twice.is_empty() {
        let problem = format!("several columns are called {}; give each column a name of its own", quoted(&twice));
        return Err(DataError::line(records.path, 1, problem));
    }
    Ok(names)
}

/// Column of that name, where white space around names matters only between columns that differ in nothing else. Names
/// keep their white space: other programs that feed the exported model find its inputs by them.
fn find(header: &[String], name: &str) -> Option<usize> {
    let exact = header.iter().position(|h| h == name);
    exact.or_else(|| header.iter().position(|h| h.trim() == name.trim()))
}

fn position(path: &Path, header: &[String], name: &str) -> Result<usize, DataError> {
    find(header, name).ok_or_else(|| DataError::UnknownTarget {
        path: path.into(),
        target: name.into(),
        near: near_names(name, header),
    })
}

/// Position of the column of groups, which must not be the target.
fn group_position(path: &Path, header: &[String], name: &str, target: Option<usize>) -> Result<usize, DataError> {
    let at = find(header, name).ok_or_else(|| DataError::UnknownGroup {
        path: path.into(),
        column: name.into(),
        near: near_names(name, header),
    })?;
    if Some(at) == target {
        let problem = format!("the target {name:?} cannot be the column of groups, too; leave --group out, or name another");
        return Err(DataError::file(path, problem));
    }
    Ok(at)
}

/// What to do with a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Plan {
    Skip,
    Number,
    Text,
}

/// Kinds of the columns from all their cells, except of those that are `known`, which are read as [`given`] does; the
/// `labels` are no inputs.
fn inferred(
    records: &Records<'_>,
    header: &mut [String],
    known: &[Field],
    labels: [Option<usize>; 2],
    warnings: &mut Vec<String>,
) -> Result<Vec<Plan>, DataError> {
    let mut kinds = vec![Kinds::default(); header.len()];
    let mut commas: Vec<Option<String>> = vec![None; header.len()];
    let mut rows = 0;
    records.each(header.len(), |_, record| {
        rows += 1;
        for ((kinds, comma), cell) in kinds.iter_mut().zip(&mut commas).zip(record) {
            kinds.see(cell);
            if kinds.has_decimal_commas() && comma.is_none() && has_decimal_comma(cell) {
                *comma = Some(cell.trim().to_owned());
            }
        }
        Ok(())
    })?;
    if rows == 0 {
        return Err(DataError::file(records.path, "has a header but no row of data"));
    }
    let mut kind_of = vec![None; header.len()];
    for (field, place) in known.iter().zip(places(header, known, &labels)) {
        if let Some(i) = place {
            header[i].clone_from(&field.name);
            kind_of[i] = Some(field.kind);
        }
    }
    let mut plan = Vec::with_capacity(header.len());
    for (i, (name, kinds)) in header.iter().zip(kinds).enumerate() {
        let is_text = Some(i) == labels[1] || kind_of[i] == Some(FieldKind::Text);
        let comma = commas[i].as_deref().filter(|_| kinds.has_decimal_commas() && !is_text);
        warnings.extend(comma.map(|example| {
            format!(
                "column {name:?} holds numbers with commas, such as {example:?}, and counts as text; write decimals behind \
                 a point, and thousands without a separator"
            )
        }));
        let kind = match kind_of[i] {
            Some(FieldKind::Text) => Kind::Text,
            // What is no number makes it a column of text, which is for the reader to refuse.
            Some(FieldKind::Number) if kinds.are_numbers() => Kind::Number,
            _ => kinds.resolve(),
        };
        if kind_of[i].is_some() && kinds.resolve() == Kind::Missing {
            warnings.push(format!("column {name:?} has no value in any row"));
        }
        plan.push(match kind {
            _ if labels.contains(&Some(i)) => Plan::Skip,
            _ if name.trim().is_empty() => {
                warnings.push(format!("column {} has no name and is left out", i + 1));
                Plan::Skip
            }
            Kind::Missing => {
                warnings.push(format!("column {name:?} has no value in any row and is left out"));
                Plan::Skip
            }
            Kind::Number => {
                if kinds.unbounded() {
                    warnings.push(format!("column {name:?} has numbers that are not finite; they count as missing"));
                }
                Plan::Number
            }
            Kind::Date => {
                warnings.push(format!("column {name:?} holds dates; each date counts as a category of its own"));
                Plan::Text
            }
            Kind::Text => Plan::Text,
        });
    }
    Ok(plan)
}

/// The column of each field, if it is there. A column is read for one field only: first for that of its very name; what is
/// a label is read for none but that.
fn places(header: &[String], fields: &[Field], labels: &[Option<usize>]) -> Vec<Option<usize>> {
    let mut places: Vec<Option<usize>> = fields.iter().map(|f| header.iter().position(|h| *h == f.name)).collect();
    for (at, field) in fields.iter().enumerate() {
        let free = |i: &usize| !labels.contains(&Some(*i)) && !places.contains(&Some(*i));
        let near = || (0..header.len()).filter(free).find(|&i| header[i].trim() == field.name.trim());
        places[at] = places[at].or_else(near);
    }
    places
}

/// Kinds of the columns that a model reads, under the names that it has for them; all others are skipped.
fn given(path: &Path, header: &mut [String], fields: &[Field], target: Option<usize>) -> Result<Vec<Plan>, DataError> {
    let mut plan = vec![Plan::Skip; header.len()];
    let mut missing = Vec::new();
    for (field, place) in fields.iter().zip(places(header, fields, &[target])) {
        let kind = match field.kind {
            FieldKind::Number => Plan::Number,
            FieldKind::Text => Plan::Text,
            FieldKind::Matrix { .. } | FieldKind::Image { .. } => {
                return Err(DataError::file(path, format!("is a table with named columns, but the model reads {field}")));
            }
        };
        match place {
            Some(i) => {
                plan[i] = kind;
                header[i].clone_from(&field.name);
            }
            None => missing.push(field.name.as_str()),
        }
    }
    if missing.is_empty() { Ok(plan) } else { Err(missing_columns(path, &missing)) }
}

/// A column that is being filled.
enum Filling {
    Skip,
    Number(Vec<f32>),
    Text(TextBuilder),
}

/// Typed columns, and the labels as text: those of the columns asked for.
fn fill(
    records: &Records<'_>,
    header: &[String],
    plan: Vec<Plan>,
    labels: [Option<usize>; 2],
) -> Result<(RawBatch, [Option<TextColumn>; 2]), DataError> {
    let mut filling: Vec<Filling> = plan
        .into_iter()
        .map(|p| match p {
            Plan::Skip => Filling::Skip,
            Plan::Number => Filling::Number(Vec::new()),
            Plan::Text => Filling::Text(TextBuilder::new(0)),
        })
        .collect();
    let mut labelled = labels.map(|at| at.map(|at| (at, TextBuilder::new(0))));
    let mut rows = 0;
    records.each(header.len(), |line, record| {
        rows += 1;
        for ((cell, filling), name) in record.iter().zip(&mut filling).zip(header) {
            match filling {
                Filling::Skip => {}
                Filling::Number(values) => values.push(number(cell).ok_or_else(|| {
                    DataError::line(records.path, line, format!("column {name:?} holds {cell:?}, which is no number"))
                })?),
                Filling::Text(builder) if is_missing(cell) => builder.push_missing(),
                Filling::Text(builder) => builder.push(cell),
            }
        }
        for (at, cells) in labelled.iter_mut().flatten() {
            if is_missing(record[*at].trim()) { cells.push_missing() } else { cells.push(&record[*at]) }
        }
        Ok(())
    })?;
    let columns = filling
        .into_iter()
        .zip(header)
        .filter_map(|(filling, name)| match filling {
            Filling::Skip => None,
            Filling::Number(values) => Some((name.clone(), Column::Number(values))),
            Filling::Text(builder) => Some((name.clone(), Column::Text(builder.finish()))),
        })
        .collect();
    Ok((RawBatch::Table { columns, rows }, labelled.map(|label| label.map(|(_, cells)| cells.finish()))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_read_for_one_field_only() {
        let fields = [Field::column("a", false), Field::column("a ", true)];
        let planned = |names: &[&str], target| {
            let mut header: Vec<String> = names.iter().map(|n| (*n).into()).collect();
            given(Path::new("t.csv"), &mut header, &fields, target).map(|plan| (header, plan)).map_err(|e| e.to_string())
        };
        let own = |names: &[&str], plan: &[Plan]| Ok((names.iter().map(|n| (*n).to_owned()).collect(), plan.to_vec()));
        assert_eq!(planned(&["a ", "a"], None), own(&["a ", "a"], &[Plan::Text, Plan::Number]));
        assert_eq!(planned(&["a ", " a"], None), own(&["a ", "a"], &[Plan::Text, Plan::Number]));
        assert_eq!(planned(&["a "], None), Err(r#"t.csv lacks "a", which the model reads"#.into()));
        assert_eq!(planned(&["a ", " a"], Some(1)), Err(r#"t.csv lacks "a", which the model reads"#.into()));
    }
}
