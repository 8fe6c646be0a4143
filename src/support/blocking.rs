//! Runs blocking work on a separate thread.

use tokio::task::JoinHandle;

/// Runs blocking work on a thread of its own and waits for its result, as [`finished`] does.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    finished(tokio::task::spawn_blocking(work)).await
}

/// The result of work that was started. A panic in it is a fault of the program and goes on here,
/// so that it is never taken for an interruption; `None` if the work was cancelled, which happens
/// only when the runtime shuts down.
pub(crate) async fn finished<T>(work: JoinHandle<T>) -> Option<T> {
    match work.await {
        Ok(result) => Some(result),
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use std::panic::AssertUnwindSafe;

    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_panic_is_no_interruption() {
        assert_eq!(blocking(|| 1).await, Some(1));
        let panics = blocking(|| -> u8 { panic!("a fault of a test") });
        let panic = AssertUnwindSafe(panics).catch_unwind().await.unwrap_err();
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"a fault of a test"));
    }

    #[tokio::test]
    async fn cancelled_work_has_no_result() {
        let work = tokio::spawn(std::future::pending::<u8>());
        work.abort();
        assert_eq!(finished(work).await, None);
    }
}
