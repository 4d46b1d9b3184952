//! Orders on their way to the task of a link, and the bell that wakes it. One task empties it. A channel of tokio does
//! the same for 800 bytes a link; this one takes a tenth.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;

use super::order::WriteOrder;
use crate::control::command::NotSent;

/// Orders that may wait for one link.
const ROOM: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Mailbox {
    orders: Mutex<Orders>,
    /// Whether there are any: a look at this is all an empty box costs.
    filled: AtomicBool,
    rung: AtomicBool,
    bell: AtomicWaker,
}

#[derive(Debug, Default)]
struct Orders {
    waiting: Vec<WriteOrder>,
    closed: bool,
}

impl Mailbox {
    /// Puts an order in.
    ///
    /// # Errors
    ///
    /// Why it was not taken.
    pub(super) fn put(&self, order: WriteOrder) -> Result<(), NotSent> {
        let mut orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        if orders.closed {
            return Err(NotSent::LinkDown);
        }
        if orders.waiting.len() >= ROOM {
            return Err(NotSent::Busy);
        }
        orders.waiting.push(order);
        self.filled.store(true, Ordering::Release);
        drop(orders);
        self.ring();
        Ok(())
    }

    /// Wakes the task.
    pub(super) fn ring(&self) {
        self.rung.store(true, Ordering::Release);
        self.bell.wake();
    }

    /// Whether the bell was rung since the last time; if not, the next ring wakes.
    pub(super) fn poll_rung(&self, cx: &Context<'_>) -> Poll<()> {
        if !self.rung.load(Ordering::Acquire) {
            self.bell.register(cx.waker());
        }
        // Once more: it may have been rung before the waker was known.
        if self.rung.swap(false, Ordering::AcqRel) { Poll::Ready(()) } else { Poll::Pending }
    }

    /// What has come in, oldest first.
    pub(super) fn take(&self) -> Vec<WriteOrder> {
        if !self.filled.load(Ordering::Acquire) {
            return Vec::new();
        }
        let mut orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        self.filled.store(false, Ordering::Release);
        std::mem::take(&mut orders.waiting)
    }

    /// What has come in; nothing is taken from now on.
    pub(super) fn close(&self) -> Vec<WriteOrder> {
        let mut orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        orders.closed = true;
        std::mem::take(&mut orders.waiting)
    }
}
