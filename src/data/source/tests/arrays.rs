//! Images and arrays: IDX, NPZ, folders of images.

use super::*;
use flate2::{Compression, write::GzEncoder};
use image::{DynamicImage, ImageFormat, RgbImage};
use npyz::WriterBuilder;
use std::io::Write;

fn idx(magic: u32, dims: &[u32], bytes: &[u8]) -> Vec<u8> {
    let header = std::iter::once(magic).chain(dims.iter().copied()).flat_map(u32::to_be_bytes);
    header.chain(bytes.iter().copied()).collect()
}

#[test]
fn idx_is_read_plain_and_compressed_and_test_files_only_to_apply() {
    let folder = folder();
    let pixels: Vec<u8> = (0..20 * 6).map(|i| i as u8).collect();
    let labels: Vec<u8> = (0..20).map(|i| i % 2).collect();
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(&idx(0x803, &[20, 2, 3], &pixels)).unwrap();
    write(&folder, "d/train-images-idx3-ubyte.gz", packed.finish().unwrap());
    write(&folder, "d/train-labels-idx1-ubyte", idx(0x801, &[20], &labels));
    write(&folder, "d/t10k-images-idx3-ubyte", idx(0x803, &[1, 2, 3], &[9; 6]));
    let dataset = try_load(&folder, "d", None).unwrap();
    assert_eq!((dataset.train.targets.len(), dataset.validation.targets.len()), (16, 4));
    let fields = dataset.preprocessing.schema().inputs;
    let further = read_inputs(&folder.path().join("d"), &fields).unwrap();
    assert_eq!((further.inputs.rows(), further.part), (1, Some("t10k")));
}

#[test]
fn bad_idx_is_refused() {
    let images = idx(0x803, &[100, 28, 28], &[0; 1000]);
    let cases = [
        (
            images.clone(),
            "d/train-images-idx3-ubyte: should hold 100 × 28 × 28 bytes after its header but holds 1000; is it cut off?",
        ),
        (images[..10].to_vec(), "d/train-images-idx3-ubyte: is cut off within its header"),
        (b"junk".to_vec(), "d/train-images-idx3-ubyte: does not start as an IDX file of bytes in 3 axes does"),
        (idx(0x803, &[50, 1, 1], &[0; 50]), "d: 50 images have 100 labels"),
        (idx(0x803, &[0, 28, 28], &[]), "d: 0 images have 100 labels"),
    ];
    for (content, expected) in cases {
        let folder = folder();
        write(&folder, "d/train-images-idx3-ubyte", content);
        write(&folder, "d/train-labels-idx1-ubyte", idx(0x801, &[100], &[1; 100]));
        assert_eq!(message(&folder, try_load(&folder, "d", None)), expected);
    }
    let folder = folder();
    write(&folder, "d/train-images-idx3-ubyte.gz", [0x1f, 0x8b, 8, 0]);
    let text = message(&folder, try_load(&folder, "d", None));
    assert!(text.starts_with("d/train-images-idx3-ubyte.gz: does not decompress as gzip: "), "{text}");
    write(&folder, "e/train-images-idx3-ubyte", idx(0x803, &[1, 1, 1], &[1]));
    assert_eq!(message(&folder, try_load(&folder, "e", None)), "e: there is no train-labels-idx1-ubyte[.gz]");
}

/// Name, shape and values.
type Array<'a> = (&'a str, &'a [u64], Vec<f32>);

/// Writes an archive of float32 arrays.
fn npz(folder: &TempDir, name: &str, arrays: &[Array<'_>]) {
    let mut writer = npyz::npz::NpzWriter::create(folder.path().join(name)).unwrap();
    for (name, shape, values) in arrays {
        let array = writer.array::<f32>(name, Default::default()).unwrap();
        let mut array = array.default_dtype().shape(shape).begin_nd().unwrap();
        array.extend(values.iter().copied()).unwrap();
        array.finish().unwrap();
    }
}

#[test]
fn npz_tables_and_images_are_read() {
    let folder = folder();
    let labels: Vec<f32> = (0..20).map(|i| (i % 2) as f32).collect();
    let table: Vec<f32> = (0..40).map(|i| if i == 3 { f32::NAN } else { i as f32 }).collect();
    npz(&folder, "t.npz", &[("x_train", &[20, 2], table), ("y_train", &[20], labels.clone())]);
    let dataset = try_load(&folder, "t.npz", None).unwrap();
    assert_eq!(dataset.raw_validation.tensors()[0].0, "features");
    assert_eq!(dataset.preprocessing.schema().classes, ["0", "1"]);
    let shade: Vec<f32> = (0..20 * 4).map(|i| (i % 5) as f32 / 4.0).collect();
    npz(&folder, "i.npz", &[("x_train", &[20, 2, 2], shade), ("y_train", &[20], labels)]);
    let dataset = try_load(&folder, "i.npz", None).unwrap();
    let stated = "pixels of x_train lie between 0 and 1 and are multiplied by 255; the exported model reads bytes";
    assert_eq!(dataset.warnings, [stated]);
    let RawBatch::Images { pixels, .. } = &dataset.raw_validation else { panic!() };
    assert!(pixels.iter().all(|p| [0, 64, 128, 191, 255].contains(p)));
}

#[test]
fn bad_npz_is_refused() {
    let (x, y): (&[u64], &[u64]) = (&[2, 1], &[2]);
    let cases: Vec<(Vec<Array<'_>>, &str)> = vec![
        (vec![("a", x, vec![1.0, 2.0])], r#"t.npz: needs the arrays x_train and y_train; it has "a""#),
        (
            vec![("x_train", x, vec![1.0, 2.0]), ("y_train", &[3], vec![1.0; 3])],
            "t.npz: array y_train has the shape [3], but there are 2 rows; [2] is expected",
        ),
        (
            vec![("x_train", &[2, 3, 5, 5], vec![0.0; 150]), ("y_train", y, vec![1.0; 2])],
            "t.npz: array x_train has the shape [2, 3, 5, 5]; the channels must be the last axis",
        ),
        (
            vec![("x_train", &[2], vec![0.0; 2]), ("y_train", y, vec![1.0; 2])],
            "t.npz: array x_train has the shape [2]; [N, F], [N, H, W] or [N, H, W, C] are expected",
        ),
        (
            vec![("x_train", &[2, 1, 1], vec![-3.0, 300.0]), ("y_train", y, vec![1.0; 2])],
            "t.npz: array x_train has pixels from -3 to 300; whole numbers from 0 to 255 or fractions from 0 to 1 are expected",
        ),
    ];
    for (arrays, expected) in cases {
        let folder = folder();
        npz(&folder, "t.npz", &arrays);
        assert_eq!(message(&folder, try_load(&folder, "t.npz", None)), expected);
    }
    let folder = folder();
    write(&folder, "cut.npz", [b"PK\x03\x04".as_slice(), &[0; 40]].concat());
    let text = message(&folder, try_load(&folder, "cut.npz", None));
    assert!(text.starts_with("cut.npz: is no whole NPZ archive: ") && text.ends_with("; is it cut off?"), "{text}");
}

fn png(width: u32, height: u32, shade: u8, grey: bool) -> Vec<u8> {
    let image = DynamicImage::ImageRgb8(RgbImage::from_fn(width, height, |x, _| image::Rgb([shade, x as u8, 7])));
    let image = if grey { DynamicImage::ImageLuma8(image.to_luma8()) } else { image };
    let mut bytes = std::io::Cursor::new(Vec::new());
    image.write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}

fn image_folder(grey: impl Fn(usize) -> bool) -> TempDir {
    let folder = folder();
    for i in 0..20 {
        let class = ["cat", "dog"][i % 2];
        write(&folder, &format!("d/train/{class}/{i:02}.png"), png(3, 2, i as u8, grey(i)));
        write(&folder, &format!("d/test/{class}/{i:02}.png"), png(3, 2, 200, false));
        // As macOS leaves them beside images.
        write(&folder, &format!("d/train/{class}/._{i:02}.png"), b"no png");
    }
    write(&folder, "d/train/cat/notes.txt", "no image");
    folder
}

#[test]
fn image_folders_are_read_grey_or_coloured() {
    let dataset = try_load(&image_folder(|_| false), "d", None).unwrap();
    let RawBatch::Images { pixels, height: 2, width: 3, channels: 3 } = &dataset.raw_validation else { panic!() };
    assert!(pixels.chunks(18).all(|image| image[0] < 20 && image[2..6] == [7, image[0], 1, 7]));
    assert_eq!(dataset.preprocessing.schema().classes, ["cat", "dog"]);
    let dataset = try_load(&image_folder(|_| true), "d", None).unwrap();
    assert!(matches!(dataset.raw_validation, RawBatch::Images { channels: 1, .. }));
    let folder = image_folder(|i| i < 5);
    let dataset = try_load(&folder, "d", None).unwrap();
    assert_eq!(dataset.warnings, ["5 of 20 images are grey and count as coloured"]);
    let fields = dataset.preprocessing.schema().inputs;
    let (further, _) = read_labelled(&folder.path().join("d"), &fields, None).unwrap();
    assert_eq!(further.part, Some("test"));
    let single = read_inputs(&folder.path().join("d/test/cat/00.png"), &fields).unwrap().inputs;
    assert_eq!(single, further.inputs.slice(0..1));
    assert_eq!(single.tensors()[0].1.data, crate::graph::Data::U8([200, 0, 7, 200, 1, 7, 200, 2, 7].repeat(2)));
}

#[test]
fn bad_images_are_refused() {
    let folder = image_folder(|_| false);
    write(&folder, "d/train/dog/20.png", png(4, 2, 0, false));
    let expected = "d/train/dog/20.png: has 4 × 2 pixels where d/train/cat/00.png has 3 × 2; bring all images to one size";
    assert_eq!(message(&folder, try_load(&folder, "d", None)), expected);
    write(&folder, "d/train/dog/20.png", b"no png");
    let text = message(&folder, try_load(&folder, "d", None));
    assert!(text.starts_with("d/train/dog/20.png: does not decode as an image: "), "{text}");
    let fields = [Field { name: "image".into(), kind: FieldKind::Image { height: 9, width: 9, channels: 1 } }];
    let expected = "d/test/cat/00.png: has 3 × 2 pixels where the model reads 9 × 9; bring all images to one size";
    assert_eq!(message(&folder, read_inputs(&folder.path().join("d"), &fields)), expected);
}

#[test]
fn folders_named_by_numbers_are_classes_and_a_header_of_two_letters_is_no_archive() {
    let folder = folder();
    for class in 0..25 {
        for image in 0..6 {
            let mut picture = Vec::new();
            let pixels = RgbImage::from_pixel(4, 4, image::Rgb([class * 10, image, 0]));
            DynamicImage::from(pixels).write_to(&mut std::io::Cursor::new(&mut picture), ImageFormat::Png).unwrap();
            write(&folder, &format!("numbers/{class}/{image}.png"), picture);
        }
    }
    assert_eq!(try_load(&folder, "numbers", None).unwrap().task.kind, TaskKind::Multiclass);
    write(&folder, "keys.csv", format!("PK,y,z\n{}", rows(20)));
    assert!(try_load(&folder, "keys.csv", Some("z")).is_ok());
}
