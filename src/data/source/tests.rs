//! Files good and bad, written by the tests; every message is asserted as a whole.

mod arrays;

use super::*;
use crate::data::TaskKind;
use crate::data::raw::Column;
use crate::data::{Dataset, Options, Validation, load, read_inputs, read_labelled};
use proptest::prelude::*;
use std::collections::BTreeSet;
use tempfile::TempDir;

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn write(folder: &TempDir, name: &str, content: impl AsRef<[u8]>) {
    let path = folder.path().join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

fn try_load(folder: &TempDir, name: &str, target: Option<&str>) -> Result<Dataset, DataError> {
    let target = target.map(Into::into);
    load(&Options { path: folder.path().join(name), target, task: None, validation: Validation::Auto, group: None, seed: 1 })
}

/// The message of an error, without the folder that the test made.
fn message<T>(folder: &TempDir, result: Result<T, DataError>) -> String {
    let text = result.map(|_| ()).unwrap_err().to_string();
    text.replace(&format!("{}/", folder.path().display()), "").replace(&folder.path().display().to_string(), "FOLDER")
}

fn rows(count: usize) -> String {
    (0..count).map(|i| format!("{i},{},{}\n", i % 7, ["a", "b"][i % 2])).collect()
}

#[test]
fn bad_tables_are_refused_with_the_place_and_a_way_out() {
    let good = format!("x,z,y\n{}", rows(60));
    let cases: Vec<(Vec<u8>, Option<&str>, &str)> = vec![
        ("".into(), Some("y"), "t.csv: is empty; a header with the names of the columns and rows are expected"),
        ("\n \n".into(), Some("y"), "t.csv: is empty; a header with the names of the columns and rows are expected"),
        ("x,z,y\n".into(), Some("y"), "t.csv: has a header but no row of data"),
        (
            good.clone().into(),
            None,
            r#"t.csv is a table: name the column to be predicted with --target; its columns are "x", "z", "y""#,
        ),
        (good.clone().into(), Some("Y"), r#"t.csv has no column "Y"; near names: "y""#),
        (good.clone().into(), Some("price"), r#"t.csv has no column "price"; its columns are "x", "z", "y""#),
        (format!("{good}1,2\n").into(), Some("y"), "t.csv, line 62: 2 cells where the header has 3"),
        ("x,y\n\"a\nb\",1\n1\n".into(), Some("y"), "t.csv, line 4: 1 cell where the header has 2"),
        (
            format!("x,x,y\n{}", rows(60)).into(),
            Some("y"),
            r#"t.csv, line 1: several columns are called "x"; give each column a name of its own"#,
        ),
        (b"x,y\n1,a\n\xff\xfe,b\n".to_vec(), Some("y"), "t.csv, line 3: the text is not UTF-8; convert the file to UTF-8"),
        (b"x,y,longer\n1,\0\n".to_vec(), Some("y"), "t.csv, line 2: there is a zero byte: this is no text file"),
        (
            format!("y\n{}", "a\nb\n".repeat(30)).into(),
            Some("y"),
            "no column is left to predict from: there is none with two different values beside the target",
        ),
        (
            format!("x,y\n{}", (0..40).map(|i| format!("7,{}\n", i % 2)).collect::<String>()).into(),
            Some("y"),
            r#"no column is left to predict from: column "x" is constant in the training part and is left out"#,
        ),
        ("x,y\n1,a\n2,b\n".into(), Some("y"), "2 rows with a target are too few: at least 10 are needed"),
    ];
    for (content, target, expected) in cases {
        let folder = folder();
        write(&folder, "t.csv", content);
        assert_eq!(message(&folder, try_load(&folder, "t.csv", target)), expected);
    }
}

#[test]
fn bad_targets_are_refused() {
    let table = |y: fn(usize) -> String| format!("x,y\n{}", (0..50).map(|i| format!("{i},{}\n", y(i))).collect::<String>());
    let cases = [
        (table(|_| "a".into()), None, r#"target y: every row has the value "a"; there is nothing to learn"#),
        (table(|_| "NA".into()), None, "target y: every value is missing; there is nothing to learn"),
        (table(|_| "inf".into()), None, "target y: no value is finite; there is nothing to learn"),
        (
            table(|i| ["a", "b"][i % 2].into()),
            Some(TaskKind::Regression),
            r#"target y: a regression needs numbers, but there is "a"; leave --task out to predict classes"#,
        ),
        (
            table(|i| ["a", "b", "c"][i % 3].into()),
            Some(TaskKind::Binary),
            r#"target y: a binary task has two classes, but there are 3: "a", "b", "c""#,
        ),
        (
            table(|_| "2.5".into()),
            Some(TaskKind::Regression),
            "target y: every row has the same value; there is nothing to learn",
        ),
    ];
    for (content, task, expected) in cases {
        let folder = folder();
        write(&folder, "t.csv", content);
        let path = folder.path().join("t.csv");
        let result =
            load(&Options { path, target: Some("y".into()), task, validation: Validation::Auto, group: None, seed: 1 });
        assert_eq!(message(&folder, result), expected);
    }
}

#[test]
fn an_input_named_as_an_output_is_refused() {
    let folder = folder();
    write(&folder, "t.csv", format!("label,x,y\n{}", rows(40)));
    let expected = r#"column "label" has the name of an output of the exported model; rename the column"#;
    assert_eq!(message(&folder, try_load(&folder, "t.csv", Some("y"))), expected);
}

#[test]
fn unknown_formats_and_missing_paths_are_refused() {
    let folder = folder();
    write(&folder, "junk", (0..=255).cycle().take(10_000).collect::<Vec<u8>>());
    let known = ALL.iter().map(|f| f.doc).collect::<Vec<_>>().join("; ");
    assert_eq!(
        message(&folder, try_load(&folder, "junk", Some("y"))),
        format!("junk is of no known format; known are {known}")
    );
    std::fs::create_dir(folder.path().join("nothing")).unwrap();
    let text = message(&folder, try_load(&folder, "nothing", None));
    assert_eq!(text, format!("nothing is of no known format; known are {known}"));
    let text = message(&folder, try_load(&folder, "none.csv", Some("y")));
    assert_eq!(text, "cannot read none.csv: No such file or directory (os error 2)");
}

#[test]
fn repairs_are_stated() {
    let folder = folder();
    let row = |i: usize| {
        let y = if i == 0 {
            ""
        } else if i == 1 {
            "rare"
        } else {
            ["a", "b"][i % 2]
        };
        format!(
            "{i},,{},5,{},id{i},2024-01-{:02},{y}\n",
            i % 3,
            if i == 9 { "inf".into() } else { i.to_string() },
            i % 3 + 1
        )
    };
    write(&folder, "t.csv", format!(",none,few,same,wild,id,day,y\n{}", (0..60).map(row).collect::<String>()));
    let dataset = try_load(&folder, "t.csv", Some("y")).unwrap();
    assert_eq!(
        dataset.warnings,
        [
            "column 1 has no name and is left out",
            r#"column "none" has no value in any row and is left out"#,
            r#"column "wild" has numbers that are not finite; they count as missing"#,
            r#"column "day" holds dates; each date counts as a category of its own"#,
            r#"1 row has no value in the target "y"; left out"#,
            r#"class "rare" has a single row, which is trained on; no validation row has this class"#,
            r#"column "same" is constant in the training part and is left out"#,
            r#"column "id" has a value of its own in nearly every row in the training part and is left out"#,
        ]
    );
    assert_eq!(dataset.preprocessing.input_names(), ["few", "wild", "day"]);
    assert_eq!(dataset.files[0].name, "t.csv");
    assert_eq!(dataset.files[0].sha256.len(), 64);
}

#[test]
fn columns_that_may_not_be_meant_as_they_are_read_are_told() {
    let folder = folder();
    let row = |i: usize| {
        let typo = if i == 9 { "3x".into() } else { i.to_string() };
        let code = ["1", "2", "3", "A"][i % 4];
        format!("{typo},{code}, {},{},{}\n", ["u", "v"][i % 2], ["w ", "w"][i % 2], ["p", "q"][i % 2])
    };
    write(&folder, "t.csv", format!("age,code,left,right,y\n{}", (0..60).map(row).collect::<String>()));
    assert_eq!(
        try_load(&folder, "t.csv", Some("y")).unwrap().warnings,
        [
            r#"column "age" counts as text: 1 of its 60 values is no number, such as "3x"; mend these, or leave them empty, for it to count as numbers"#,
            r#"values of "left", "right" have blanks around them, such as " u" in "left"; these belong to the values, and the model knows no others"#,
            r#"column "age" has a value of its own in nearly every row in the training part and is left out"#,
        ]
    );
    let told = message(&folder, try_load(&folder, "t.csv", Some("age")));
    assert!(told.starts_with(r#"t.csv: column "age" counts as text: 1 of its 60 values is no number"#), "{told}");
}

#[test]
fn delimiters_quotes_and_marks_are_understood() {
    let folder = folder();
    let body = |d: &str| -> String {
        (0..20).map(|i| ["1.5", "\"a, b; c\nd\te \"\"f\"\"\"", ["u", "v"][i % 2]].join(d) + "\r\n").collect()
    };
    for d in [",", ";", "\t"] {
        write(&folder, "t", format!("\u{feff}{}\r\n{}", ["x", "text", "y"].join(d), body(d)));
        let source =
            read(&Request { path: &folder.path().join("t"), target: Some("y"), group: None, purpose: Purpose::Learn(&[]) })
                .unwrap();
        let RawBatch::Table { columns, rows } = &source.inputs else { panic!() };
        assert_eq!(*rows, 20);
        assert_eq!(columns[0], ("x".into(), Column::Number(vec![1.5; 20])));
        let Column::Text(text) = &columns[1].1 else { panic!() };
        assert_eq!(text.value(3), "a, b; c\nd\te \"f\"");
    }
}

#[test]
fn further_files_are_read_by_name_in_the_order_of_the_model() {
    let folder = folder();
    write(&folder, "t.csv", "b;more;a;y\nu;9;1;0\nNA;9; NA ;1\n");
    let path = folder.path().join("t.csv");
    let fields = [Field::column("a", false), Field::column("b", true)];
    let (further, target) = read_labelled(&path, &fields, Some("y")).unwrap();
    let tensors = further.inputs.tensors();
    assert_eq!((tensors[0].0.as_str(), tensors[1].0.as_str()), ("a", "b"));
    let numbers = tensors[0].1.as_f32().unwrap();
    assert!(numbers[0] == 1.0 && numbers[1].is_nan());
    assert_eq!(tensors[1].1.data, crate::graph::Data::Str(vec!["u".into(), String::new()]));
    let (rows, targets) = crate::data::resolve(&["1".into(), "0".into()], &target);
    assert_eq!((rows, targets), (vec![0, 1], crate::data::Targets::Classes(vec![1, 0])));
    write(&folder, "s.csv", "y, a ,b\n1,2,u\n");
    let RawBatch::Table { columns, .. } = read_inputs(&folder.path().join("s.csv"), &fields).unwrap().inputs else {
        panic!()
    };
    assert_eq!((columns[0].0.as_str(), columns[1].0.as_str()), ("a", "b"));

    let fields = [Field::column("a", false), Field::column("c", true), Field::column("d", false)];
    let text = message(&folder, read_inputs(&path, &fields));
    assert_eq!(text, r#"t.csv lacks "c", "d", which the model reads"#);
    let text = message(&folder, read_inputs(&path, &[Field::column("b", false)]));
    assert_eq!(text, r#"t.csv, line 2: column "b" holds "u", which is no number"#);
}

#[test]
fn a_validation_file_is_scored_on_and_not_trained_on() {
    let folder = folder();
    write(&folder, "t.csv", format!("x,z,y\n{}", rows(60)));
    write(&folder, "v.csv", "y,z,x\na,3,1\nb,2,2\nc,2,2\n");
    let validation = Validation::File(folder.path().join("v.csv"));
    let options = Options {
        path: folder.path().join("t.csv"),
        target: Some("y".into()),
        task: None,
        validation,
        group: None,
        seed: 1,
    };
    let dataset = load(&options).unwrap();
    assert_eq!(dataset.train.targets.len(), 60);
    assert_eq!(dataset.validation.targets, crate::data::Targets::Classes(vec![0, 1]));
    let stated = "1 rows of v.csv have no target, or one that no training row has; they are left out";
    assert_eq!(dataset.warnings, [stated]);
    assert_eq!(dataset.files.len(), 2);
}

#[test]
fn the_list_names_every_file_of_the_folder_once() {
    let names: BTreeSet<&str> = ALL.iter().map(|f| f.name).collect();
    assert_eq!(names.len(), ALL.len());
    assert!(ALL.iter().all(|f| !f.doc.is_empty()));
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/data/source");
    let others = ["mod.rs", "digest.rs", "tests.rs", "tests"];
    let files = std::fs::read_dir(folder)
        .unwrap()
        .filter(|e| !others.contains(&&*e.as_ref().unwrap().file_name().to_string_lossy()));
    assert_eq!(files.count(), ALL.len());
}

proptest! {
    #[test]
    fn any_text_comes_back(cells in prop::collection::vec(("[^\0\r]{0,8}", "[ab]"), 1..20)) {
        let folder = folder();
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(["text", "y"]).unwrap();
        // A letter keeps the column text and the cell present.
        cells.iter().for_each(|(text, y)| writer.write_record([&format!("{text}z"), y]).unwrap());
        write(&folder, "t.csv", writer.into_inner().unwrap());
        let request = Request { path: &folder.path().join("t.csv"), target: Some("y"), group: None, purpose: Purpose::Learn(&[]) };
        let source = read(&request).unwrap();
        let RawBatch::Table { columns, .. } = &source.inputs else { panic!() };
        let Column::Text(text) = &columns[0].1 else { panic!() };
        for (row, (expected, y)) in cells.iter().enumerate() {
            prop_assert_eq!(text.value(row), format!("{expected}z"));
            prop_assert_eq!(source.target.as_ref().unwrap().value(row), y);
        }
    }

    #[test]
    fn no_bytes_make_the_reader_panic(content in prop::collection::vec(any::<u8>(), 0..200), header in any::<bool>()) {
        let folder = folder();
        write(&folder, "t", [if header { b"x,y\n".as_slice() } else { b"PK" }, &content].concat());
        let _ = try_load(&folder, "t", Some("y"));
    }
}

#[test]
fn a_quote_that_nothing_closes_is_refused_with_its_line() {
    let folder = folder();
    let header = "x,y,z\n";
    write(&folder, "open.csv", format!("{header}{}7,8,\"oops\n{}", rows(20), rows(20)));
    let expected =
        "open.csv, line 22: a quote opens here that nothing closes; close it, or double each quote inside of quotes";
    assert_eq!(message(&folder, try_load(&folder, "open.csv", Some("z"))), expected);
    // Quotes within a cell that has none around it, doubled ones and line breaks are as they should be.
    write(&folder, "fine.csv", format!("{header}{}1,5\" screen,a\n2,\"a \"\"b\"\"\n c\",b\n3,\"\",a\n", rows(20)));
    assert!(try_load(&folder, "fine.csv", Some("z")).is_ok());
}
