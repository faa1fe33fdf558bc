//! A folder of images: PNG or JPEG files in a folder for each class. Other files are passed over.

use super::digest::{file_name, hex};
use super::{FileDigest, Format, Purpose, Request, Source, bytes};
use crate::data::DataError;
use crate::data::raw::{RawBatch, TextBuilder};
use crate::data::schema::{Field, FieldKind};
use image::DynamicImage;
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// Folders of images.
pub static IMAGE_FOLDER: Format = Format {
    name: "image folder",
    doc: "a folder of PNG or JPEG images with a folder for each class, or with such a folder called train",
    sniff: |path, _| {
        is_image(path)
            || path.is_dir() && (has_images(path) || [TRAIN, TEST].iter().any(|part| has_images(&path.join(part))))
    },
    read,
};

const TRAIN: &str = "train";
const TEST: &str = "test";

fn is_image(path: &Path) -> bool {
    let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase());
    path.is_file() && matches!(extension.as_deref(), Some("png" | "jpg" | "jpeg"))
}

/// Entries of a folder by name but for hidden ones, such as macOS leaves beside images; none where it cannot be listed.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let listed = std::fs::read_dir(folder).into_iter().flatten();
    let mut paths: Vec<PathBuf> = listed.filter_map(|entry| entry.ok().map(|e| e.path())).collect();
    paths.retain(|path| !file_name(path).starts_with('.'));
    paths.sort();
    paths
}

fn has_images(folder: &Path) -> bool {
    entries(folder).iter().any(|p| is_image(p) || (p.is_dir() && entries(p).iter().any(|p| is_image(p))))
}

/// True where all images of a folder lie in its parts.
fn holds_only_parts(folder: &Path) -> bool {
    let is_part = |path: &Path| [TRAIN, TEST].iter().any(|part| path.ends_with(part));
    entries(folder).iter().all(|path| !is_image(path) && (is_part(path) || !has_images(path)))
}

/// An image file and the folder that names its class.
struct Labelled {
    path: PathBuf,
    class: Option<String>,
}

fn read(request: &Request<'_>) -> Result<Source, DataError> {
    let parts: &[&str] = match request.purpose {
        Purpose::Learn(_) => &[TRAIN],
        Purpose::Apply(_) => &[TEST, TRAIN],
    };
    // What is to be predicted need not lie in folders of classes, unless `test` is one of them.
    let flat = matches!(request.purpose, Purpose::Apply(_)) && holds_only_parts(request.path);
    let is_part = |folder: &Path| has_images(folder) && (flat || entries(folder).iter().any(|p| p.is_dir()));
    let part = parts.iter().copied().find(|part| is_part(&request.path.join(part)));
    let folder = part.map_or_else(|| request.path.to_owned(), |part| request.path.join(part));
    let mut warnings = Vec::new();
    let images = listed(&folder, &mut warnings);
    if matches!(request.purpose, Purpose::Learn(_)) && images.iter().any(|i| i.class.is_none()) {
        return Err(DataError::file(
            &folder,
            "to learn from, each image must lie in a folder that is named after its class",
        ));
    }
    let files: Vec<Result<(Vec<u8>, DynamicImage), DataError>> = images.par_iter().map(|i| decoded(&i.path)).collect();
    let files = files.into_iter().collect::<Result<Vec<_>, _>>()?;
    let inputs = stacked(&images, &files, request.purpose, &mut warnings)?;
    let target = images.iter().all(|i| i.class.is_some()).then(|| {
        let mut column = TextBuilder::new(images.len());
        images.iter().filter_map(|i| i.class.as_deref()).for_each(|class| column.push(class));
        column.finish()
    });
    let files = vec![digest(&folder, &images, &files)];
    Ok(Source { inputs, target, labels: true, target_name: None, group: None, part, files, warnings })
}

/// Images of a folder and of the folders in it; a single image is listed as it is.
fn listed(folder: &Path, warnings: &mut Vec<String>) -> Vec<Labelled> {
    if folder.is_file() {
        return vec![Labelled { path: folder.to_owned(), class: None }];
    }
    let mut images = Vec::new();
    for path in entries(folder) {
        if is_image(&path) {
            images.push(Labelled { path, class: None });
        } else if path.is_dir() {
            let class = file_name(&path);
            let inside: Vec<PathBuf> = entries(&path).into_iter().filter(|p| is_image(p)).collect();
            if inside.is_empty() {
                warnings.push(format!("folder {class:?} has no PNG or JPEG image and is left out"));
            }
            images.extend(inside.into_iter().map(|path| Labelled { path, class: Some(class.clone()) }));
        }
    }
    images
}

fn decoded(path: &Path) -> Result<(Vec<u8>, DynamicImage), DataError> {
    let content = bytes(path)?;
    let image = image::load_from_memory(&content)
        .map_err(|e| DataError::file(path, format!("does not decode as an image: {e}; remove or replace it")))?;
    Ok((content, image))
}

/// All images in one array of bytes, with the channels of the model or else those that they have.
fn stacked(
    images: &[Labelled],
    files: &[(Vec<u8>, DynamicImage)],
    purpose: Purpose<'_>,
    warnings: &mut Vec<String>,
) -> Result<RawBatch, DataError> {
    let wanted = match purpose {
        Purpose::Apply([Field { kind: FieldKind::Image { height, width, channels }, .. }]) => {
            Some((*height, *width, *channels))
        }
        _ => None,
    };
    let coloured = files.iter().filter(|(_, i)| i.color().has_color()).count();
    let channels = wanted.map_or(if coloured > 0 { 3 } else { 1 }, |w| w.2);
    if wanted.is_none() && coloured > 0 && coloured < files.len() {
        warnings.push(format!("{} of {} images are grey and count as coloured", files.len() - coloured, files.len()));
    }
    if files.iter().any(|(_, i)| i.color().has_alpha()) {
        warnings.push("some images have transparent pixels; transparency is ignored".into());
    }
    let size_of = |image: &DynamicImage| (image.height() as usize, image.width() as usize);
    let first = files.first().map_or((0, 0), |(_, i)| size_of(i));
    let (height, width) = wanted.map_or(first, |w| (w.0, w.1));
    if let Some((labelled, (h, w))) =
        images.iter().zip(files).map(|(l, (_, i))| (l, size_of(i))).find(|(_, size)| *size != (height, width))
    {
        let other = match wanted {
            Some(_) => "the model reads".into(),
            None => format!("{} has", images[0].path.display()),
        };
        let problem = format!("has {w} × {h} pixels where {other} {width} × {height}; bring all images to one size");
        return Err(DataError::file(&labelled.path, problem));
    }
    let mut pixels = Vec::with_capacity(files.len() * height * width * channels);
    for (_, image) in files {
        if channels == 1 {
            pixels.extend_from_slice(image.to_luma8().as_raw());
        } else {
            pixels.extend_from_slice(image.to_rgb8().as_raw());
        }
    }
    Ok(RawBatch::Images { pixels, height, width, channels })
}

/// One digest over names, classes and contents.
fn digest(folder: &Path, images: &[Labelled], files: &[(Vec<u8>, DynamicImage)]) -> FileDigest {
    let mut hasher = Sha256::new();
    for (image, (content, _)) in images.iter().zip(files) {
        let name = format!("{}/{}\n", image.class.as_deref().unwrap_or_default(), file_name(&image.path));
        hasher.update(name.as_bytes());
        hasher.update((content.len() as u64).to_le_bytes());
        hasher.update(content);
    }
    FileDigest { name: file_name(folder), sha256: hex(&hasher.finalize()) }
}
