//! How the program ends: exit codes, and failures with a hint.

use crate::{
    data::DataError,
    engine::EngineError,
    export::{ExportError, PredictError},
    genome::{UnfitAncestor, Unsatisfiable, ancestor::Misfit},
    onnx::OnnxError,
    study::StudyError,
    train::{TrainError, UnfitClassWeights, baseline::UndefinedMetric, metric::MetricError},
};
use std::{fmt::Display, io, process::ExitCode};

/// Exit codes. Scripts rely on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    /// What was asked for is done.
    Done = 0,
    /// Something failed on the way: an engine, a full disk.
    Failed = 1,
    /// The input or the command line is at fault.
    BadInput = 2,
    /// The user stopped it; what was found until then is exported.
    Interrupted = 130,
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> ExitCode {
        ExitCode::from(status as u8)
    }
}

/// Why a command ends before its goal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Class of the failure, which is the exit code.
    pub status: Status,
    /// What is wrong and where.
    pub message: String,
    /// What to do, where the message does not say it.
    pub hint: Option<String>,
}

impl Failure {
    /// Bad input or usage.
    pub fn bad_input(message: impl Display) -> Failure {
        Failure { status: Status::BadInput, message: message.to_string(), hint: None }
    }

    /// A failure that the user's input is not to blame for.
    pub fn failed(message: impl Display) -> Failure {
        Failure { status: Status::Failed, message: message.to_string(), hint: None }
    }

    /// The same failure with a hint.
    pub fn hint(self, hint: impl Display) -> Failure {
        Failure { hint: Some(hint.to_string()), ..self }
    }

    /// What ends a session: where a file cannot be written, nothing that was journaled is lost.
    pub fn of_session(error: StudyError) -> Failure {
        let is_io = matches!(error, StudyError::Io { .. });
        let failure = Failure::from(error);
        if is_io { failure.hint("the journal is whole; once this is mended, `evolve resume` goes on") } else { failure }
    }

    /// Standard output cannot be written. A reader that closed the pipe has read enough: that is a success.
    pub fn output(error: &io::Error) -> Failure {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Failure { status: Status::Done, message: String::new(), hint: None },
            _ => Failure::failed(format!("cannot write to standard output: {error}")),
        }
    }
}

impl From<DataError> for Failure {
    fn from(error: DataError) -> Failure {
        Failure::bad_input(error)
    }
}

impl From<MetricError> for Failure {
    fn from(error: MetricError) -> Failure {
        Failure::bad_input(error)
    }
}

impl From<UndefinedMetric> for Failure {
    fn from(error: UndefinedMetric) -> Failure {
        Failure::bad_input(error)
    }
}

impl From<UnfitClassWeights> for Failure {
    fn from(error: UnfitClassWeights) -> Failure {
        Failure::bad_input(error)
    }
}

impl From<OnnxError> for Failure {
    fn from(error: OnnxError) -> Failure {
        Failure::bad_input(error)
    }
}

impl From<UnfitAncestor> for Failure {
    fn from(error: UnfitAncestor) -> Failure {
        Failure::bad_input(error)
    }
}

impl From<Unsatisfiable> for Failure {
    fn from(error: Unsatisfiable) -> Failure {
        Failure::bad_input(error)
    }
}

impl From<Misfit> for Failure {
    fn from(error: Misfit) -> Failure {
        Failure::bad_input(error)
    }
}

impl From<StudyError> for Failure {
    fn from(error: StudyError) -> Failure {
        match error {
            StudyError::Exists(_)
            | StudyError::NoFolder(_)
            | StudyError::Occupied(_)
            | StudyError::Missing(_)
            | StudyError::NoJournal(_)
            | StudyError::NothingToInherit(_)
            | StudyError::Locked(_)
            | StudyError::Settings { .. }
            | StudyError::Newer { .. }
            | StudyError::Journal { .. }
            | StudyError::Diverges { .. }
            | StudyError::DataChanged { .. }
            | StudyError::Weights { .. } => Failure::bad_input(error),
            StudyError::Stopped => Failure { status: Status::Interrupted, ..Failure::failed(error) },
            StudyError::NoTime => Failure::bad_input(error).hint("raise --budget, or give --candidates instead"),
            StudyError::Io { .. }
            | StudyError::NothingTrained { .. }
            | StudyError::Unforeseen { .. }
            | StudyError::Worker { .. }
            | StudyError::Search(_)
            | StudyError::Probe(_) => Failure::failed(error),
        }
    }
}

impl From<TrainError> for Failure {
    fn from(error: TrainError) -> Failure {
        Failure::failed(error)
    }
}

impl From<ExportError> for Failure {
    fn from(error: ExportError) -> Failure {
        match error {
            ExportError::Write(error) => Failure::of_session(error),
            error => Failure::failed(error),
        }
    }
}

impl From<PredictError> for Failure {
    fn from(error: PredictError) -> Failure {
        match error {
            PredictError::Onnx(error) => error.into(),
            PredictError::Engine(error) => error.into(),
            PredictError::Unsupported(_) => Failure::bad_input(error),
        }
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Failure {
        match error {
            // A model file that does not load and a device that is not there are both what was asked for.
            EngineError::Load { .. } | EngineError::Unavailable { .. } => Failure::bad_input(error),
            _ => Failure::failed(error),
        }
    }
}
