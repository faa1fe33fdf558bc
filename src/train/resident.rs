//! Features that lie where steps compute: uploaded once for all trainings on a part, each of which then feeds the numbers of
//! its rows.

use super::{Request, batches};
use crate::data::{Features, InputSpec, Part, Task};
use crate::engine::{Engine, EngineError, HostTensor, Resident, View};
use crate::express::{Feed, TrainingStep};
use crate::genome::Augmentation;
use crate::graph::ops::encode::ScalePixels;
use crate::graph::passes::{ROWS, ResidentInput};
use crate::graph::{DType, Shape, TensorType};
use std::sync::OnceLock;

/// A part of a dataset whose features are put where trainings compute when the first of them asks.
#[derive(Debug)]
pub struct ResidentPart<'a> {
    task: &'a Task,
    part: &'a Part,
    features: OnceLock<Result<Option<ResidentFeatures>, EngineError>>,
}

impl<'a> ResidentPart<'a> {
    /// A part that is on no device yet.
    pub fn new(task: &'a Task, part: &'a Part) -> Self {
        ResidentPart { task, part, features: OnceLock::new() }
    }

    /// The features where the engine computes; `None` where they are to be fed: on the CPU, and where they do not fit. All
    /// engines that ask are on one device.
    pub fn features(&self, engine: &dyn Engine) -> Option<&ResidentFeatures> {
        self.features.get_or_init(|| ResidentFeatures::upload(self.task, self.part, engine)).as_ref().ok()?.as_ref()
    }

    /// The same for a training of these requests. Images that one of them alters are fed, since the host alters them.
    pub(super) fn features_of(&self, engine: &dyn Engine, requests: &[Request<'_>]) -> Option<&ResidentFeatures> {
        let is_image = matches!(self.task.input, InputSpec::Image { .. });
        let alters = |request: &Request<'_>| request.genome.training.augmentation != Augmentation::default();
        if is_image && requests.iter().any(alters) { None } else { self.features(engine) }
    }

    /// Why the features are fed although there is a device, once a training asked for them.
    pub fn refusal(&self) -> Option<&EngineError> {
        self.features.get()?.as_ref().err()
    }
}

/// Features of all rows of a part, where an engine computes.
#[derive(Debug)]
pub struct ResidentFeatures {
    inputs: Vec<ResidentInput>,
    tensors: Resident,
}

impl ResidentFeatures {
    /// Uploads the features: of a table `numeric` (float32 `[R, n]`) and `codes` (int64 `[R, m]`), of images `image` (bytes
    /// `[R, H, W, C]`), which a step standardises.
    fn upload(task: &Task, part: &Part, engine: &dyn Engine) -> Result<Option<Self>, EngineError> {
        let tensors = tensors(task, part);
        let Some(resident) = engine.reside(&tensors)? else { return Ok(None) };
        let input = |tensor: &HostTensor<'_>| ResidentInput {
            name: tensor.slot.name.clone(),
            ty: TensorType::new(tensor.slot.dtype, Shape::fixed(&tensor.slot.shape)),
            pixels: pixels(task),
        };
        Ok(Some(ResidentFeatures { inputs: tensors.iter().map(input).collect(), tensors: resident }))
    }

    /// What is fed to a step that reads them: first `rows` (int64 `[B]`), the number of each example's row, then all that is
    /// no feature.
    pub fn feeds(&self, step: &TrainingStep) -> Vec<Feed> {
        let (features, others): (Vec<&Feed>, Vec<&Feed>) =
            step.feeds.iter().partition(|feed| self.inputs.iter().any(|input| input.name == feed.name));
        let batch = features.first().map(|feed| feed.shape[..1].to_vec());
        let rows = batch.map(|shape| Feed { name: ROWS.into(), dtype: DType::I64, shape });
        rows.into_iter().chain(others.into_iter().cloned()).collect()
    }

    /// The inputs that are taken from them.
    pub(super) fn inputs(&self) -> &[ResidentInput] {
        &self.inputs
    }

    /// The tensors.
    pub(super) fn tensors(&self) -> &Resident {
        &self.tensors
    }
}

/// The features of a part as a step reads them.
fn tensors<'a>(task: &Task, part: &'a Part) -> Vec<HostTensor<'a>> {
    let rows = batches::rows(part);
    match (&part.features, &task.input) {
        (Features::Images { pixels }, InputSpec::Image { height, width, channels, .. }) => {
            vec![HostTensor::new("image", &[rows, *height, *width, *channels], View::U8(pixels))]
        }
        (Features::Table { numeric, codes }, InputSpec::Table { numeric: numbers, categorical }) => {
            let all = [
                HostTensor::new("numeric", &[rows, numbers.len()], View::F32(numeric)),
                HostTensor::new("codes", &[rows, categorical.len()], View::I64(codes)),
            ];
            all.into_iter().filter(|tensor| tensor.slot.shape[1] > 0).collect()
        }
        _ => unreachable!("a part's features are of its task's kind"),
    }
}

/// How images are standardised: as [`batches::Images`] does it.
fn pixels(task: &Task) -> Option<ScalePixels> {
    let InputSpec::Image { mean, std, .. } = &task.input else { return None };
    Some(ScalePixels { mean: mean.clone(), std: std.iter().map(|std| std.max(f32::MIN_POSITIVE)).collect() })
}
