//! Which of the library's errors say that the device has no memory left. They have no code of their own.

use super::NAME;
use crate::engine::EngineError;

/// What such an error says, in lower case: of the arena, of the CUDA runtime, of CUDA's libraries (`CUBLAS_STATUS_ALLOC_FAILED`,
/// `CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED`), and of the C++ library for the memory of the host.
const WORDS: [&str; 10] = [
    "failed to allocate memory",
    "smaller than requested bytes",
    "free memory block despite calling extend",
    "memory allocation failed",
    "out of memory",
    "cudaerrormemoryallocation",
    "alloc_failed",
    "allocation_failed",
    "bad_alloc",
    "bad allocation",
];

/// The error of a library that ran out of memory.
///
/// # Errors
/// Where `reason` says something else; that is `reason`.
pub(super) fn exhausted(reason: String) -> Result<EngineError, String> {
    let said = reason.to_lowercase();
    match WORDS.iter().any(|words| said.contains(words)) {
        true => Ok(EngineError::OutOfMemory { engine: NAME, reason }),
        false => Err(reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_library_says_without_memory_is_known_as_that() {
        let all = [
            "/onnxruntime_src/onnxruntime/core/framework/bfc_arena.cc:360 void* onnxruntime::BFCArena::AllocateRawInternal(\
             size_t, bool, onnxruntime::Stream*) Available memory of 2560 is smaller than requested bytes of 233570304",
            "Non-zero status code returned while running Conv node. Name:'Conv_6' Status Message: /onnxruntime_src/onnxruntime/\
             core/framework/bfc_arena.cc:376 void* onnxruntime::BFCArena::AllocateRawInternal(size_t, bool, \
             onnxruntime::Stream*) Failed to allocate memory for requested buffer of size 4294967296",
            "CUDA failure 2: out of memory ; GPU=0 ; hostname=gpu ; file=/onnxruntime_src/onnxruntime/core/providers/cuda/\
             cuda_allocator.cc ; line=48 ; expr=cudaMalloc((void**)&p, size);",
            "CUDA error cudaErrorMemoryAllocation:out of memory",
            "CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED ; GPU=0 ; hostname=gpu ; expr=cublasCreate(&cublas_handle_);",
            "CUDNN failure 4: CUDNN_STATUS_ALLOC_FAILED ; GPU=0 ; hostname=gpu ; expr=cudnnCreate(&cudnn_handle_);",
            "CUDNN failure 4003: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED ; GPU=0",
            "Memory allocation failed. Size=1099511627776",
            "std::bad_alloc",
        ];
        for reason in all {
            let error = exhausted(reason.to_owned()).unwrap();
            assert!(error.is_out_of_memory(), "{reason}");
            assert_eq!(error.to_string(), format!("onnxruntime ran out of memory: {reason}"));
        }
    }

    #[test]
    fn other_failures_are_left_as_they_are() {
        let all = [
            "Non-zero status code returned while running Gather node. Name:'' Status Message: indices element out of data \
             bounds, idx=7 must be within the inclusive range [-3,2]",
            "CUDA failure 700: an illegal memory access was encountered ; GPU=0 ; expr=cudaStreamSynchronize(stream);",
            "This session contains graph nodes that are assigned to the default CPU EP, but fallback to CPU EP has been \
             explicitly disabled by the user.",
            "state 0 has 6 elements, not 5",
        ];
        for reason in all {
            assert_eq!(exhausted(reason.to_owned()).unwrap_err(), reason);
        }
    }
}
