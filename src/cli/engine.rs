//! Arguments that choose an engine and a device.

use super::{Failure, progress::Note, progress::Progress};
use crate::engine::{Choice, Device, Engine, Request, select};
use clap::{Args, ValueEnum};
use std::{path::PathBuf, str::FromStr, sync::Arc};

/// Which engine runs the models, and where.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(next_help_heading = "Engine")]
pub struct EngineArgs {
    /// What runs the models: `onnxruntime` is the fast one, `tract` is built in and needs no library; `auto` takes the
    /// first of them that works here
    #[arg(long, value_enum, value_name = "ENGINE", default_value_t = EngineChoice::Auto)]
    pub engine: EngineChoice,
    /// Where they run: `auto`, `cpu`, `cuda` or `cuda:N` for the N-th card; `cuda` without a usable card is an error,
    /// `auto` falls back to the processor and says so
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub device: DeviceChoice,
    /// ONNX Runtime library to load, such as /usr/lib/libonnxruntime.so [default: found, or installed into the cache]
    #[arg(long, value_name = "PATH")]
    pub runtime: Option<PathBuf>,
    /// Never download the ONNX Runtime library
    #[arg(long)]
    pub offline: bool,
}

impl EngineArgs {
    /// Finds the engine and tells what there is to tell of it; `graphs` as in [`Request::graphs`].
    ///
    /// # Errors
    /// Where what is asked for by name cannot be had.
    pub fn select(&self, graphs: bool, progress: &mut Progress) -> Result<Arc<dyn Engine>, Failure> {
        self.check()?;
        let selected = select(&Request { graphs, ..self.request() })?;
        for notice in &selected.notices {
            progress.note(Note::Notice(notice));
        }
        Ok(selected.engine)
    }

    fn request(&self) -> Request {
        Request {
            engine: match self.engine {
                EngineChoice::Auto => Choice::Auto,
                EngineChoice::OnnxRuntime => Choice::OnnxRuntime,
                EngineChoice::Tract => Choice::Tract,
            },
            device: match self.device {
                DeviceChoice::Auto => Device::Auto,
                DeviceChoice::Cpu => Device::Cpu,
                DeviceChoice::Cuda(number) => Device::Cuda(number),
            },
            runtime: self.runtime.clone(),
            offline: self.offline,
            graphs: false,
        }
    }

    /// Checks what can be checked before anything is loaded.
    ///
    /// # Errors
    /// Where the choices contradict each other or the library is not there.
    pub fn check(&self) -> Result<(), Failure> {
        if self.engine == EngineChoice::Tract && matches!(self.device, DeviceChoice::Cuda(_)) {
            return Err(Failure::bad_input("the engine tract has no CUDA device").hint("drop --engine tract"));
        }
        match &self.runtime {
            Some(path) if !path.is_file() => Err(Failure::bad_input(format!("--runtime {} is not a file", path.display()))
                .hint("drop it to let evolve find or install the library; `evolve runtime` shows what there is")),
            _ => Ok(()),
        }
    }
}

/// Choice of an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum EngineChoice {
    /// The first that works.
    Auto,
    /// ONNX Runtime.
    #[value(name = "onnxruntime")]
    OnnxRuntime,
    /// The embedded engine.
    Tract,
}

/// Choice of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceChoice {
    /// CUDA where it works, else the processor.
    Auto,
    /// The processor.
    Cpu,
    /// The CUDA device of this number.
    Cuda(u32),
}

impl FromStr for DeviceChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<DeviceChoice, String> {
        match text.split_once(':') {
            None if text == "auto" => Ok(DeviceChoice::Auto),
            None if text == "cpu" => Ok(DeviceChoice::Cpu),
            None if text == "cuda" => Ok(DeviceChoice::Cuda(0)),
            Some(("cuda", number)) => {
                number.parse().map(DeviceChoice::Cuda).map_err(|_| format!("`{number}` is not the number of a card"))
            }
            _ => Err("a device is auto, cpu, cuda or cuda:N".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_parse() {
        assert_eq!("auto".parse(), Ok(DeviceChoice::Auto));
        assert_eq!("cpu".parse(), Ok(DeviceChoice::Cpu));
        assert_eq!("cuda".parse(), Ok(DeviceChoice::Cuda(0)));
        assert_eq!("cuda:3".parse(), Ok(DeviceChoice::Cuda(3)));
        for wrong in ["", "gpu", "cuda:", "cuda:-1", "cpu:0"] {
            assert!(wrong.parse::<DeviceChoice>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn contradictions_and_missing_libraries_are_named() {
        let args = EngineArgs { engine: EngineChoice::Tract, device: DeviceChoice::Cuda(0), runtime: None, offline: false };
        assert!(args.check().unwrap_err().message.contains("no CUDA"));
        let runtime = Some(PathBuf::from("/nowhere/lib.so"));
        let args = EngineArgs { device: DeviceChoice::Auto, runtime, ..args };
        assert!(args.check().unwrap_err().message.contains("/nowhere/lib.so"));
    }
}
