//! ONNX Runtime on the CPU.

use evolve::engine::{Choice, Device, Engine, Request, select};
use std::sync::Arc;

pub fn engine() -> Arc<dyn Engine> {
    let request = Request { engine: Choice::OnnxRuntime, device: Device::Cpu, ..Request::default() };
    select(&request).expect("ONNX Runtime").engine
}
