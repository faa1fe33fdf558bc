//! The tensors of one call of a kernel, asked of ONNX Runtime directly: `ort`'s values cost an allocation and several
//! calls each, and an optimizer node has hundreds of inputs.

use crate::engine::pages::prefer_huge;
use ort::operator::ComputeContext;
use ort::{AsPointer, ortsys};
use ort_sys::{ONNXTensorElementDataType, OrtKernelContext, OrtValue};
use std::ptr;

/// An input whose memory nothing writes to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tensor<'a> {
    /// Extents, outermost first.
    pub(super) extents: &'a [usize],
    /// Elements, row major.
    pub(super) data: &'a [f32],
}

/// A float32 tensor of the library, valid until the call of the kernel returns.
#[derive(Debug)]
pub(super) struct Memory {
    /// Extents, outermost first.
    pub(super) extents: Vec<usize>,
    start: *mut f32,
    length: usize,
}

// SAFETY: between calls nobody looks at the memory, which each call finds anew.
unsafe impl Send for Memory {}

impl Default for Memory {
    fn default() -> Self {
        Memory { extents: vec![], start: ptr::dangling_mut(), length: 0 }
    }
}

impl Memory {
    /// Number of elements.
    pub(super) fn len(&self) -> usize {
        self.length
    }

    /// Copies the elements from `at` on into `block`.
    ///
    /// # Panics
    /// Where the block reaches beyond the end.
    #[inline(always)]
    pub(super) fn read(&self, at: usize, block: &mut [f32]) {
        assert!(at + block.len() <= self.length, "a read beyond the end of a tensor");
        // SAFETY: in bounds; `block` is memory of ours, which the library's never overlaps.
        unsafe { ptr::copy_nonoverlapping(self.start.add(at), block.as_mut_ptr(), block.len()) }
    }

    /// As many elements from `at` on, all at once.
    ///
    /// # Panics
    /// As [`Memory::read`].
    #[inline(always)]
    pub(super) fn block<const N: usize>(&self, at: usize) -> [f32; N] {
        assert!(at + N <= self.length, "a read beyond the end of a tensor");
        // SAFETY: in bounds.
        unsafe { self.start.add(at).cast::<[f32; N]>().read_unaligned() }
    }

    /// Copies `block` over the elements from `at` on.
    ///
    /// # Panics
    /// Where the block reaches beyond the end.
    #[inline(always)]
    pub(super) fn write(&self, at: usize, block: &[f32]) {
        assert!(at + block.len() <= self.length, "a write beyond the end of a tensor");
        // SAFETY: in bounds; `block` is memory of ours, which the library's never overlaps.
        unsafe { ptr::copy_nonoverlapping(block.as_ptr(), self.start.add(at), block.len()) }
    }

    /// Has the element `at` brought near, where the CPU takes such hints; there need not be one.
    #[inline(always)]
    pub(super) fn prefetch(&self, at: usize) {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: every CPU of the architecture has the instruction, which never fails, whatever the address.
        unsafe {
            std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(self.start.wrapping_add(at).cast());
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = at;
    }

    /// Prepares memory that has not been written yet.
    pub(super) fn prepare(&self) {
        prefer_huge(self.start, self.length);
    }

    /// Keeps only the part of the first member, along the leading axis.
    pub(super) fn keep_first_member(&mut self) {
        self.extents.drain(..self.extents.len().min(1));
        self.length = self.extents.iter().product();
    }

    /// Goes on to the part of the next member; beyond the last there is nothing to be read or written.
    pub(super) fn advance(&mut self) {
        self.start = self.start_of(1);
    }

    fn start_of(&self, member: usize) -> *mut f32 {
        self.start.wrapping_add(member * self.length)
    }

    /// The first element.
    pub(super) fn first(&self) -> f32 {
        let mut value = [0.0];
        self.read(0, &mut value);
        value[0]
    }

    /// Extents and elements of a member, where this is the memory of the first.
    ///
    /// # Safety
    /// There is such a member, and its memory is valid and nothing writes to it for `'a`.
    pub(super) unsafe fn tensor<'a>(&'a self, member: usize) -> Tensor<'a> {
        // SAFETY: the caller's promise; the library aligns tensors and gives `length` elements a member.
        let data = unsafe { std::slice::from_raw_parts(self.start_of(member), self.length) };
        Tensor { extents: &self.extents, data }
    }

    /// Elements of a member, where this is the memory of the first, to be written.
    ///
    /// # Safety
    /// There is such a member, and its memory is valid and nothing else reads it or writes to it for `'a`.
    pub(super) unsafe fn slice_mut<'a>(&self, member: usize) -> &'a mut [f32] {
        // SAFETY: the caller's promise; the library aligns tensors and gives `length` elements a member.
        unsafe { std::slice::from_raw_parts_mut(self.start_of(member), self.length) }
    }

    /// Memory of a test's own.
    #[cfg(test)]
    pub(super) fn over(values: &mut [f32]) -> Memory {
        Memory { extents: vec![values.len()], start: values.as_mut_ptr(), length: values.len() }
    }

    /// Whether the memory of so many members is shared with that of another, where both are of the first.
    fn overlaps(&self, other: &Memory, members: usize) -> bool {
        let range = |memory: &Memory| memory.start.addr()..memory.start_of(members).addr();
        let (own, others) = (range(self), range(other));
        own.start < others.end && others.start < own.end
    }

    /// Turns to a tensor of the library.
    fn turn_to(&mut self, value: *mut OrtValue) -> Result<(), ort::Error> {
        read_extents(value, &mut self.extents)?;
        let mut data = ptr::null_mut();
        ortsys![unsafe GetTensorMutableData(value, &mut data)?];
        self.length = self.extents.iter().product();
        // A tensor without elements may have no memory.
        self.start = if self.length == 0 { ptr::dangling_mut() } else { data.cast::<f32>() };
        if self.start.is_null() {
            return Err(ort::Error::new("a tensor has no memory"));
        }
        Ok(())
    }
}

/// Extents of a float32 tensor.
fn read_extents(value: *const OrtValue, into: &mut Vec<usize>) -> Result<(), ort::Error> {
    let mut kind = ONNXTensorElementDataType::ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
    let (mut dims, mut rank) = (ptr::null(), 0);
    ortsys![unsafe GetTensorElementTypeAndShapeDataReference(value, &mut kind, &mut dims, &mut rank)?];
    if kind != ONNXTensorElementDataType::ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT {
        return Err(ort::Error::new("a tensor is not float32"));
    }
    into.clear();
    if rank == 0 {
        return Ok(());
    }
    // SAFETY: the library gives so many extents, which live as long as the tensor.
    for &extent in unsafe { std::slice::from_raw_parts(dims, rank) } {
        into.push(usize::try_from(extent).map_err(|_| ort::Error::new("a tensor has a negative extent"))?);
    }
    Ok(())
}

/// The tensors of a node. They are kept from call to call, so that a call allocates nothing.
#[derive(Default)]
pub(super) struct Tensors {
    /// Inputs.
    pub(super) inputs: Vec<Memory>,
    /// Outputs.
    pub(super) outputs: Vec<Memory>,
    /// Extents of an output as the library wants them.
    wanted: Vec<i64>,
}

impl Tensors {
    /// Turns to the inputs of a call.
    pub(super) fn turn_to_inputs(&mut self, context: &ComputeContext) -> Result<(), String> {
        let count = context.num_inputs().map_err(|e| e.to_string())?;
        self.inputs.resize_with(count, Memory::default);
        for (i, input) in self.inputs.iter_mut().enumerate() {
            let mut value: *const OrtValue = ptr::null();
            let mut turn = || -> Result<(), ort::Error> {
                ortsys![unsafe KernelContext_GetInput(raw(context), i, &mut value)?];
                if value.is_null() { Err(ort::Error::new("it is left out")) } else { input.turn_to(value.cast_mut()) }
            };
            turn().map_err(|e| format!("input {i}: {e}"))?;
        }
        Ok(())
    }

    /// Turns to the outputs of a call, which are of these extents.
    pub(super) fn turn_to_outputs(&mut self, context: &ComputeContext, shapes: &[Vec<usize>]) -> Result<(), String> {
        let count = context.num_outputs().map_err(|e| e.to_string())?;
        if count != shapes.len() {
            return Err(format!("{} outputs wanted, the node has {count}", shapes.len()));
        }
        self.outputs.resize_with(count, Memory::default);
        for (i, (output, shape)) in self.outputs.iter_mut().zip(shapes).enumerate() {
            self.wanted.clear();
            self.wanted.extend(shape.iter().map(|&extent| extent as i64));
            let (dims, rank) = (self.wanted.as_ptr(), self.wanted.len());
            let mut value: *mut OrtValue = ptr::null_mut();
            let mut turn = || -> Result<(), ort::Error> {
                ortsys![unsafe KernelContext_GetOutput(raw(context), i, dims, rank, &mut value)?];
                if value.is_null() { Err(ort::Error::new("it is left out")) } else { output.turn_to(value) }
            };
            turn().map_err(|e| format!("output {i}: {e}"))?;
            if output.extents != *shape {
                return Err(format!("output {i}: extents {shape:?} wanted, {:?} bound", output.extents));
            }
        }
        Ok(())
    }

    /// All of them.
    pub(super) fn all(&mut self) -> impl Iterator<Item = &mut Memory> {
        self.inputs.iter_mut().chain(&mut self.outputs)
    }
}

fn raw(context: &ComputeContext) -> *mut OrtKernelContext {
    context.ptr().cast_mut()
}

/// Refuses outputs of so many members that share memory with an input or with each other; given is that of the first.
pub(super) fn check_apart(inputs: &[Memory], outputs: &[Memory], members: usize) -> Result<(), String> {
    for (i, output) in outputs.iter().enumerate() {
        if let Some(j) = inputs.iter().position(|input| output.overlaps(input, members)) {
            return Err(format!("output {i} is bound to the memory of input {j}"));
        }
        if let Some(j) = outputs[..i].iter().position(|other| output.overlaps(other, members)) {
            return Err(format!("outputs {i} and {j} are bound to the same memory"));
        }
    }
    Ok(())
}
