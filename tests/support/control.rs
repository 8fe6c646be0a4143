//! How a test tells a server what to do wrong, and learns what the server was asked.
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::http::Request;

/// The requests that came, and how many of them were being answered at once.
#[derive(Clone, Default)]
pub struct Log(Arc<LogState>);

#[derive(Default)]
struct LogState {
    requests: Mutex<Vec<Request>>,
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Log {
    /// Notes a request that is in flight until the answer is dropped.
    pub fn enter(&self, request: &Request) -> InFlight {
        self.0.requests.lock().unwrap().push(request.clone());
        let now = self.0.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.0.most.fetch_max(now, Ordering::SeqCst);
        InFlight(self.clone())
    }

    pub fn requests(&self) -> Vec<Request> {
        self.0.requests.lock().unwrap().clone()
    }

    pub fn most_at_once(&self) -> usize {
        self.0.most.load(Ordering::SeqCst)
    }

    pub fn clear(&self) {
        self.0.requests.lock().unwrap().clear();
        self.0.most.store(self.0.now.load(Ordering::SeqCst), Ordering::SeqCst);
    }
}

/// A request that is being answered.
pub struct InFlight(Log);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.0.now.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Faults that wait for the requests they match: some for one request, some for all.
pub struct Faults<M, F> {
    once: VecDeque<(M, F)>,
    always: Vec<(M, F)>,
}

impl<M, F> Default for Faults<M, F> {
    fn default() -> Self {
        Self { once: VecDeque::new(), always: Vec::new() }
    }
}

impl<M, F: Clone> Faults<M, F> {
    pub fn once(&mut self, matcher: M, fault: F) {
        self.once.push_back((matcher, fault));
    }

    pub fn always(&mut self, matcher: M, fault: F) {
        self.always.push((matcher, fault));
    }

    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// The faults of a request: all standing ones, then the first queued one, which is used up.
    pub fn take(&mut self, matches: impl Fn(&M) -> bool) -> Vec<F> {
        let standing = self.always.iter().filter(|(matcher, _)| matches(matcher));
        let mut faults: Vec<F> = standing.map(|(_, fault)| fault.clone()).collect();
        if let Some(at) = self.once.iter().position(|(matcher, _)| matches(matcher)) {
            faults.extend(self.once.remove(at).map(|(_, fault)| fault));
        }
        faults
    }
}
