//! Vectors that live for one call of a kernel. A thread keeps their memory for the next, so that a call allocates nothing.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};
use std::thread::LocalKey;

/// Vectors of each kind that a thread keeps at most, and bytes of one.
const MOST: usize = 64;
const LARGEST: usize = 1 << 20;

/// Vectors that wait for their next use.
pub(super) type Stock<T> = RefCell<Vec<Vec<T>>>;

/// What such vectors are made of.
pub(super) trait Element: Copy + 'static {
    /// The thread's vectors of it.
    fn stock() -> &'static LocalKey<Stock<Self>>;
}

/// Gives each type a stock of its own.
macro_rules! stocked {
    ($($element:ty),*) => {$(
        impl $crate::engine::kernels::recycled::Element for $element {
            fn stock() -> &'static std::thread::LocalKey<$crate::engine::kernels::recycled::Stock<Self>> {
                thread_local! {
                    static STOCK: $crate::engine::kernels::recycled::Stock<$element> = Default::default();
                }
                &STOCK
            }
        }
    )*};
}
pub(super) use stocked;

stocked!(f32, f64, usize);

/// A vector from the thread's stock, to which it goes back when it is dropped.
#[derive(Debug)]
pub(super) struct Recycled<T: Element>(Vec<T>);

impl<T: Element> Recycled<T> {
    /// An empty vector.
    pub(super) fn new() -> Self {
        Recycled(T::stock().try_with(|stock| stock.borrow_mut().pop()).ok().flatten().unwrap_or_default())
    }

    /// So many of a value.
    pub(super) fn filled(len: usize, value: T) -> Self {
        let mut vector = Self::new();
        vector.resize(len, value);
        vector
    }
}

impl<T: Element> FromIterator<T> for Recycled<T> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        let mut vector = Self::new();
        vector.extend(values);
        vector
    }
}

impl<T: Element> Deref for Recycled<T> {
    type Target = Vec<T>;

    fn deref(&self) -> &Vec<T> {
        &self.0
    }
}

impl<T: Element> DerefMut for Recycled<T> {
    fn deref_mut(&mut self) -> &mut Vec<T> {
        &mut self.0
    }
}

impl<T: Element> Drop for Recycled<T> {
    fn drop(&mut self) {
        let mut vector = std::mem::take(&mut self.0);
        vector.clear();
        let bytes = vector.capacity() * size_of::<T>();
        if bytes == 0 || bytes > LARGEST {
            return;
        }
        // A thread that ends keeps nothing.
        let _ = T::stock().try_with(|stock| {
            let mut stock = stock.borrow_mut();
            if stock.len() < MOST {
                stock.push(vector);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_kept_for_the_next_vector_unless_it_is_large() {
        let first: Recycled<f64> = (0..100).map(f64::from).collect();
        let at = first.as_ptr();
        drop(first);
        let second = Recycled::<f64>::filled(50, 7.0);
        assert_eq!((second.as_ptr(), second.len(), second[49]), (at, 50, 7.0));
        drop(Recycled::<usize>::filled(LARGEST, 0));
        assert!(Recycled::<usize>::new().capacity() < LARGEST);
    }
}
