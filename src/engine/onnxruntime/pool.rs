//! Memory of the tensors of ONNX Runtime on the CPU.
//!
//! The library's own arena belongs to a session: every net begins with fresh pages, which the system has to fill with zeros
//! one by one, and gives them back at its end. Here blocks outlive sessions: what a tensor no longer needs waits, by thread and
//! size, for the next tensor, of the same net or of another. (Large pages, asked for by `madvise`, made the first step of a
//! process slower and none of the others faster.)

use ort::environment::Environment;
use ort::memory::{AllocationDevice, AllocatorType, MemoryInfo, MemoryType};
use ort::{AsPointer, ortsys};
use ort_sys::{ORT_API_VERSION, OrtAllocator, OrtMemoryInfo};
use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::cell::RefCell;
use std::ffi::c_void;
use std::ptr::NonNull;

/// Sizes: four for each power of two.
const SIZES: usize = 4 * usize::BITS as usize;
/// Least bytes of a block, a power of two.
const LEAST: usize = 256;
/// Tensors begin at multiples of a cache line.
const LINE: usize = 64;
/// Where there is no free block of a size, one of the next so many sizes serves.
const NEAR: usize = 8;
/// Bytes from which a block is large. Those begin at so many different distances from their page: of memory that is written
/// at the same place of a page as what is read elsewhere, the CPU suspects that it is the same.
const LARGE: usize = 1 << 20;
const PLACES: usize = 61 * STRIDE;
/// From one large block to the next, in lines.
const STRIDE: usize = 17;

/// The blocks of a thread.
struct Blocks {
    /// Free blocks of each size, the last freed first.
    free: Vec<Vec<NonNull<u8>>>,
    /// Blocks of each size in use, less those that were taken by another thread.
    used: Vec<isize>,
    /// The most of them since [`release_unused`].
    most: Vec<isize>,
    /// Blocks made so far.
    made: usize,
}

thread_local! {
    static BLOCKS: RefCell<Blocks> = RefCell::new(Blocks::new());
}

/// What stands before a tensor.
#[derive(Clone, Copy)]
#[repr(C)]
struct Header {
    /// Where its block begins.
    start: *mut u8,
    size: usize,
}

/// The number of the least size that has room for so many bytes.
fn size_for(bytes: usize) -> usize {
    let last = bytes.max(LEAST) - 1;
    let power = last.ilog2() as usize;
    4 * power + ((last >> (power - 2)) & 3)
}

/// Bytes of a size; `None` where there is no such memory.
fn bytes_of(size: usize) -> Option<usize> {
    let (power, quarter) = (size / 4, size % 4);
    (5 + quarter).checked_shl(power as u32 - 2).filter(|bytes| bytes >> (power - 2) == 5 + quarter)
}

/// A block of a size, with what stands before the tensor; `None` where there is no such memory.
fn layout(size: usize) -> Option<Layout> {
    let bytes = bytes_of(size)?;
    let before = if bytes >= LARGE { PLACES } else { 1 };
    Layout::from_size_align(bytes.checked_add(before * LINE)?, LINE).ok()
}

impl Blocks {
    fn new() -> Blocks {
        Blocks { free: vec![vec![]; SIZES], used: vec![0; SIZES], most: vec![0; SIZES], made: 0 }
    }

    fn take(&mut self, size: usize) -> Option<NonNull<u8>> {
        let near = (size + NEAR).min(SIZES - 1);
        let (size, block) = match (size..=near).find_map(|size| Some((size, self.free[size].pop()?))) {
            Some(found) => found,
            None => {
                self.made += 1;
                (size, fresh(size, self.made * STRIDE % PLACES)?)
            }
        };
        self.used[size] += 1;
        self.most[size] = self.most[size].max(self.used[size]);
        Some(block)
    }

    fn put(&mut self, size: usize, tensor: NonNull<u8>) {
        self.used[size] -= 1;
        self.free[size].push(tensor);
    }

    /// Gives back what was not needed since the last call.
    fn release_unused(&mut self) {
        for size in 0..SIZES {
            let needed = (self.most[size] - self.used[size]).max(0) as usize;
            while self.free[size].len() > needed {
                self.free[size].pop().into_iter().for_each(give_back);
            }
            self.most[size] = self.used[size];
        }
    }
}

impl Drop for Blocks {
    fn drop(&mut self) {
        self.free.drain(..).flatten().for_each(give_back);
    }
}

/// Memory for a tensor from the system; in a large block it begins so many lines further than in a small one.
fn fresh(size: usize, place: usize) -> Option<NonNull<u8>> {
    let layout = layout(size)?;
    // SAFETY: the layout is not empty.
    let start = NonNull::new(unsafe { alloc(layout) })?;
    let before = LINE * if bytes_of(size)? >= LARGE { 1 + place } else { 1 };
    // SAFETY: `before` is at least a line and leaves room for the size, as the layout says; the header fits a line.
    unsafe {
        let tensor = start.add(before);
        tensor.cast::<Header>().sub(1).write(Header { start: start.as_ptr(), size });
        Some(tensor)
    }
}

/// Gives a tensor's block back to the system.
fn give_back(tensor: NonNull<u8>) {
    // SAFETY: every tensor comes from `fresh`, which wrote the header before it and took the block by this layout.
    unsafe {
        let header = tensor.cast::<Header>().sub(1).read();
        if let Some(layout) = layout(header.size) {
            dealloc(header.start, layout);
        }
    }
}

/// Gives back to the system what this thread keeps of tensors and did not need since the last call, such as what only the net
/// before the last had use for.
pub fn release_unused() {
    BLOCKS.with_borrow_mut(Blocks::release_unused);
}

/// The allocator as the library sees it.
#[repr(C)]
struct Table {
    functions: OrtAllocator,
    info: MemoryInfo<'static>,
}

/// Makes it the allocator of all sessions that ask for the environment's.
pub(super) fn register(environment: &Environment) -> ort::Result<()> {
    let info = MemoryInfo::new(AllocationDevice::CPU, 0, AllocatorType::Device, MemoryType::Default)?;
    let functions = OrtAllocator {
        version: ORT_API_VERSION,
        Alloc: Some(take),
        Free: Some(put),
        Info: Some(describe),
        Reserve: Some(reserve),
        GetStats: None,
        AllocOnStream: None,
    };
    // It lives as long as the environment, which lives as long as the process.
    let table = Box::leak(Box::new(Table { functions, info }));
    ortsys![unsafe RegisterAllocator(environment.ptr().cast_mut(), &mut table.functions)?];
    Ok(())
}

fn tensor(bytes: usize) -> *mut c_void {
    let size = size_for(bytes);
    // A thread that ends has no blocks any more.
    let taken = BLOCKS.try_with(|blocks| blocks.borrow_mut().take(size)).unwrap_or_else(|_| fresh(size, 0));
    match taken {
        Some(tensor) => tensor.as_ptr().cast(),
        // The library writes to whatever it is given.
        None => handle_alloc_error(layout(size).unwrap_or(Layout::new::<Header>())),
    }
}

unsafe extern "system" fn take(_: *mut OrtAllocator, bytes: usize) -> *mut c_void {
    tensor(bytes)
}

unsafe extern "system" fn reserve(_: *const OrtAllocator, bytes: usize) -> *mut c_void {
    tensor(bytes)
}

unsafe extern "system" fn put(_: *mut OrtAllocator, tensor: *mut c_void) {
    let Some(tensor) = NonNull::new(tensor.cast::<u8>()) else { return };
    // SAFETY: the library gives back what it was given, whose header says its size.
    let size = unsafe { tensor.cast::<Header>().sub(1).read().size };
    if BLOCKS.try_with(|blocks| blocks.borrow_mut().put(size, tensor)).is_err() {
        give_back(tensor);
    }
}

unsafe extern "system" fn describe(this: *const OrtAllocator) -> *const OrtMemoryInfo {
    // SAFETY: the functions are the first field of a table that lives for ever.
    unsafe { (*this.cast::<Table>()).info.ptr() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_size_has_room_and_wastes_a_quarter_at_most(bytes in 0usize..1 << 40) {
            let room = bytes_of(size_for(bytes)).unwrap();
            prop_assert!(room >= bytes && (bytes <= LEAST || 4 * room <= 5 * bytes));
            prop_assert_eq!(size_for(room), size_for(bytes));
        }
    }

    #[test]
    fn there_is_no_room_for_more_than_the_memory_has_addresses() {
        assert_eq!(layout(size_for(usize::MAX)), None);
        assert_eq!(layout(size_for(isize::MAX as usize)), None);
    }

    #[test]
    fn blocks_are_whole_and_taken_again_the_last_freed_first() {
        let mut blocks = Blocks::new();
        for bytes in [1, 256, 5_000, LARGE - 1, LARGE, 3 * LARGE + 17] {
            let size = size_for(bytes);
            let (first, second) = (blocks.take(size).unwrap(), blocks.take(size).unwrap());
            for (tensor, value) in [(first, 1), (second, 2)] {
                assert_eq!(tensor.as_ptr() as usize % LINE, 0);
                // SAFETY: the block has room for so many bytes.
                unsafe { tensor.write_bytes(value, bytes_of(size).unwrap()) };
            }
            // SAFETY: as above.
            assert_eq!(unsafe { (first.read(), second.add(bytes - 1).read()) }, (1, 2));
            blocks.put(size, first);
            blocks.put(size, second);
            assert_eq!((blocks.take(size), blocks.take(size)), (Some(second), Some(first)));
            blocks.put(size, first);
            blocks.put(size, second);
        }
    }

    #[test]
    fn what_the_last_net_did_not_need_is_given_back() {
        let mut blocks = Blocks::new();
        let (small, large) = (size_for(1_000), size_for(LARGE));
        let taken: Vec<_> = (0..3).map(|_| blocks.take(small).unwrap()).collect();
        let kept = blocks.take(large).unwrap();
        taken.into_iter().for_each(|tensor| blocks.put(small, tensor));
        blocks.release_unused();
        assert_eq!((blocks.free[small].len(), blocks.free[large].len()), (3, 0));
        let again = blocks.take(small).unwrap();
        blocks.put(small, again);
        blocks.put(large, kept);
        blocks.release_unused();
        assert_eq!((blocks.free[small].len(), blocks.free[large].len()), (1, 1));
        blocks.release_unused();
        assert_eq!((blocks.free[small].len(), blocks.free[large].len()), (0, 0));
    }
}
