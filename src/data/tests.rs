//! Files as users write them: what is read of them, and what is said of it.

use super::*;
use std::path::Path;
use tempfile::TempDir;

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    files.iter().for_each(|(name, content)| std::fs::write(folder.path().join(name), content).unwrap());
    folder
}

fn options(path: &Path, validation: Validation) -> Options {
    Options { path: path.into(), target: Some("y".into()), task: None, validation, group: None, seed: 1 }
}

/// Cells of the column `x`, as numbers or as text; missing ones as they come in.
fn column(content: &str, is_text: bool) -> Column {
    let folder = folder(&[("t.csv", content)]);
    let further = read_inputs(&folder.path().join("t.csv"), &[Field::column("x", is_text)]).unwrap();
    let RawBatch::Table { mut columns, .. } = further.inputs else { panic!("no table") };
    columns.remove(0).1
}

#[test]
fn a_blank_line_of_one_column_is_a_row_with_a_missing_value() {
    let rows = |content: &str| {
        let Column::Number(values) = column(content, false) else { panic!("no numbers") };
        values.into_iter().map(|v| if v.is_nan() { None } else { Some(v) }).collect::<Vec<_>>()
    };
    assert_eq!(rows("x\n1\n\n3\n"), [Some(1.0), None, Some(3.0)]);
    assert_eq!(rows("x\r\n1\r\n\r\n\r\n3"), [Some(1.0), None, None, Some(3.0)]);
    assert_eq!(rows("\n\nx\n\n1\n\n"), [None, Some(1.0)], "neither before the header nor at the end");
    assert_eq!(rows("x\n1\n\n\n"), [Some(1.0), None], "only the last line is none");
    let Column::Text(texts) = column("x\n\"a\n\nb\"\n\n\"\"\n\"c \"\"d\"\"\"\n", true) else { panic!("no text") };
    let texts: Vec<&str> = (0..texts.codes.len()).map(|row| texts.value(row)).collect();
    assert_eq!(texts, ["a\n\nb", "", "", "c \"d\""], "a blank line within quotes is a part of the cell");
}

#[test]
fn a_blank_line_of_several_columns_is_no_row() {
    let Column::Number(values) = column("x,z\n1,2\n\n3,4\n", false) else { panic!("no numbers") };
    assert_eq!(values, [1.0, 3.0]);
}

#[test]
fn words_for_missing_values_leave_a_column_numeric_and_decimal_commas_are_told() {
    let cell = |i: usize| ["1.5", "None", "-", "n/a", "7"][i % 5];
    let rows: String =
        (0..60).map(|i| format!("{};{i},{};{};{}\n", cell(i), i % 7, ["-", "None", "a"][i % 3], i % 2)).collect();
    let folder = folder(&[("t.csv", &format!("x;comma;word;y\n{rows}"))]);
    let dataset = load(&options(&folder.path().join("t.csv"), Validation::Auto)).unwrap();
    let InputSpec::Table { numeric, categorical } = &dataset.task.input else { panic!("no table") };
    assert_eq!(numeric.iter().map(|n| n.name.as_str()).collect::<Vec<_>>(), ["x", "x is missing"]);
    let word = categorical.iter().find(|c| c.name == "word").unwrap();
    assert_eq!(word.slots, 3 + 2, "in a column of text these words are categories");
    let told = dataset.warnings.iter().filter(|w| w.contains("comma")).collect::<Vec<_>>();
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(
        told[0],
        "column \"comma\" holds numbers with commas, such as \"0,0\", and counts as text; write decimals behind a point, \
         and thousands without a separator"
    );
}

#[test]
fn a_target_with_decimal_commas_is_told() {
    let rows: String = (0..60).map(|i| format!("{i};{},{}\n", i % 3, i % 2)).collect();
    let folder = folder(&[("t.csv", &format!("x;y\n{rows}"))]);
    let dataset = load(&options(&folder.path().join("t.csv"), Validation::Auto)).unwrap();
    assert!(
        dataset.warnings[0].starts_with(r#"column "y" holds numbers with commas, such as "0,0""#),
        "{:?}",
        dataset.warnings
    );
}

#[test]
fn rows_that_are_trained_on_do_not_validate() {
    let rows: String = (0..60).map(|i| format!("{i},{}\n", i % 2)).collect();
    let content = format!("x,y\n{rows}");
    let other = content.replace("59,1", "60,1");
    let folder = folder(&[("t.csv", &content), ("copy.csv", &content), ("other.csv", &other)]);
    let at = |name: &str| folder.path().join(name);
    for name in ["t.csv", "copy.csv"] {
        let error = load(&options(&at("t.csv"), Validation::File(at(name)))).unwrap_err();
        assert!(matches!(&error, DataError::ValidationIsTraining { path } if *path == at(name)), "{error}");
    }
    assert!(load(&options(&at("t.csv"), Validation::File(at("other.csv")))).is_ok());
}

#[test]
fn the_same_rows_in_other_bytes_do_not_validate_either() {
    let row = |i: usize, target: usize| [["7.50", "", "?"][i % 3], ["u", "v"][i % 2], ["3", "4"][target]].map(str::to_owned);
    let table = |order: [usize; 3], delimiter: &str, end: &str, shift: usize| {
        let names = ["x", "z", "y"].map(str::to_owned);
        let lines = std::iter::once(names).chain((0..60).map(|i| row(i, (i / 4 + shift) % 2)));
        lines.map(|cells| order.map(|at| cells[at].clone()).join(delimiter) + end).collect::<String>()
    };
    let content = table([0, 1, 2], ",", "\n", 0);
    let same = [
        ("ends.csv", table([0, 1, 2], ",", "\r\n", 0)),
        ("order.csv", table([2, 1, 0], ";", "\n", 0)),
        ("spelling.csv", content.replace("7.50", "7.5").replace("?", "NA").replace(",4\n", ",4.0\n")),
    ];
    // Equal inputs with other answers are other rows.
    let other = table([0, 1, 2], ",", "\n", 1);
    let files: Vec<(&str, &str)> = same.iter().map(|(name, text)| (*name, &text[..])).collect();
    let folder = folder(&[&files[..], &[("t.csv", &content), ("other.csv", &other)]].concat());
    let load = |name: &str| {
        let options = options(&folder.path().join("t.csv"), Validation::File(folder.path().join(name)));
        load(&Options { task: Some(TaskKind::Binary), ..options })
    };
    for (name, _) in &same {
        assert!(matches!(load(name), Err(DataError::ValidationIsTraining { .. })), "{name}");
    }
    assert!(load("other.csv").is_ok());
}

#[test]
fn with_a_validation_file_the_column_of_groups_is_no_input_and_no_more() {
    let table = |rows: std::ops::Range<usize>| {
        let rows: String = rows.map(|i| format!("{},{},{}\n", i % 17, i / 7, ["a", "b"][i % 2])).collect();
        format!("x,g,y\n{rows}")
    };
    let new = "x,y\n1,a\n2,b\n3,a\n";
    let folder = folder(&[("t.csv", &table(0..60)), ("v.csv", &table(60..80)), ("new.csv", new)]);
    let load = |validation: &str, group: &str| {
        let options = options(&folder.path().join("t.csv"), Validation::File(folder.path().join(validation)));
        load(&Options { group: Some(group.into()), ..options })
    };
    for validation in ["v.csv", "new.csv"] {
        let dataset = load(validation, "g").unwrap();
        assert_eq!(dataset.preprocessing.input_names(), ["x"]);
        assert_eq!((dataset.train.targets.len(), dataset.warnings), (60, vec![]));
    }
    assert!(matches!(load("v.csv", "h"), Err(DataError::UnknownGroup { .. })));
}

#[test]
fn what_is_said_of_classes_with_one_row_holds_where_groups_are_kept_whole() {
    // The smaller group is validated on.
    let row = |i: usize, rare: usize| {
        let class = if i == rare { "rare" } else { ["a", "b"][i % 2] };
        format!("{},{},{class}\n", i % 17, if i < 50 { "large" } else { "small" })
    };
    let table = |rare: usize| format!("x,g,y\n{}", (0..60).map(|i| row(i, rare)).collect::<String>());
    let folder = folder(&[("trained.csv", &table(5)), ("validated.csv", &table(55))]);
    let warnings = |name: &str, group: Option<&str>| {
        let options = options(&folder.path().join(name), Validation::Auto);
        load(&Options { group: group.map(Into::into), ..options }).unwrap().warnings
    };
    let lost = r#"no row of the class "rare" is trained on: all are of groups that are validated on"#;
    assert_eq!(warnings("validated.csv", Some("g")), [lost]);
    assert!(warnings("trained.csv", Some("g")).is_empty());
    let alone = r#"class "rare" has a single row, which is trained on; no validation row has this class"#;
    assert_eq!(warnings("validated.csv", None), [alone]);
}

#[test]
fn of_one_archive_the_test_part_validates() {
    let folder = folder(&[]);
    let path = folder.path().join("t.npz");
    let mut archive = npyz::npz::NpzWriter::create(&path).unwrap();
    for (name, shape, offset) in
        [("x_train", vec![20u64, 2], 0.0), ("y_train", vec![20], 0.0), ("x_test", vec![6, 2], 0.5), ("y_test", vec![6], 0.0)]
    {
        use npyz::WriterBuilder;
        let array = archive.array::<f32>(name, Default::default()).unwrap().default_dtype();
        let mut array = array.shape(&shape).begin_nd().unwrap();
        array
            .extend((0..shape.iter().product()).map(|i| if shape.len() == 1 { (i % 2) as f32 } else { i as f32 + offset }))
            .unwrap();
        array.finish().unwrap();
    }
    drop(archive);
    let dataset = load(&Options { target: None, ..options(&path, Validation::File(path.clone())) }).unwrap();
    assert_eq!((dataset.train.targets.len(), dataset.validation.targets.len()), (20, 6));
    let further = read_inputs(&path, &dataset.preprocessing.schema().inputs).unwrap();
    assert_eq!((further.part, further.inputs.rows()), (Some("x_test"), 6));
}

#[test]
fn a_flat_folder_test_is_predicted_and_a_class_of_that_name_is_not_taken_for_it() {
    let folder = folder(&[]);
    let image = |name: &str, shade: u8| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        image::RgbaImage::from_pixel(2, 2, image::Rgba([shade, 0, 0, 9])).save(path).unwrap();
    };
    for i in 0..3 {
        image(&format!("parts/train/cat/{i}.png"), 1);
        image(&format!("parts/test/{i}.png"), 2);
        image(&format!("classes/cat/{i}.png"), 3);
        image(&format!("classes/test/{i}.png"), 4);
    }
    let fields = [Field { name: "image".into(), kind: FieldKind::Image { height: 2, width: 2, channels: 3 } }];
    let further = read_inputs(&folder.path().join("parts"), &fields).unwrap();
    assert_eq!((further.part, further.inputs.rows()), (Some("test"), 3));
    assert!(matches!(&further.inputs, RawBatch::Images { pixels, .. } if pixels.iter().step_by(3).all(|&p| p == 2)));
    assert_eq!(further.warnings, ["some images have transparent pixels; transparency is ignored"]);
    let error = read_labelled(&folder.path().join("parts"), &fields, None).unwrap_err().to_string();
    assert!(error.ends_with("there is no target to compare with in its part test"), "{error}");
    let further = read_inputs(&folder.path().join("classes"), &fields).unwrap();
    assert_eq!((further.part, further.inputs.rows()), (None, 6));
}

#[test]
fn parts_are_put_one_behind_the_other() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/adult.csv");
    let (target, validation) = (Some("income".into()), Validation::default());
    let data = load(&Options { path, target, task: None, validation, group: None, seed: 0 }).unwrap();
    let (train, validation) = (data.train.targets.len(), data.validation.targets.len());
    let whole = data.train.with(&data.validation);
    let rows = |range: std::ops::Range<usize>| whole.take(&range.collect::<Vec<_>>());
    assert_eq!(rows(0..train), data.train);
    assert_eq!(rows(train..train + validation), data.validation);
    assert_eq!(whole.targets.len(), train + validation);
}
