//! The threads on which DataFusion runs, and the door between them and synchronous callers.
//!
//! A caller waits on an ordinary channel, never by `block_on`: a session therefore works as well
//! inside somebody else's asynchronous program (on a blocking thread) as outside of one. Work that
//! is given up, because its statement was cancelled, is aborted.

use std::future::Future;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel, sync_channel};
use std::time::Duration;

use tastedb_engine::CancelToken;
use tokio::runtime::{Builder, Runtime as Tokio};
use tokio::sync::Semaphore;

use crate::error::{Error, Result};

/// How often a waiting caller looks whether it was cancelled.
const LOOK: Duration = Duration::from_millis(20);

/// Items that may wait for the caller.
const AHEAD: usize = 4;

enum Message<T> {
    Item(T),
    End(Result<()>),
}

/// Where streaming work puts its items.
pub(crate) struct Sink<T> {
    sender: Sender<Message<T>>,
    permits: Arc<Semaphore>,
}

impl<T> Sink<T> {
    /// Hands over an item, once there is room; false where nobody waits for it any more.
    pub(crate) async fn send(&self, item: T) -> bool {
        match self.permits.acquire().await {
            Ok(permit) => permit.forget(),
            Err(_) => return false,
        }
        self.sender.send(Message::Item(item)).is_ok()
    }
}

/// The threads that run queries. Cheap to clone; the last clone stops them.
#[derive(Clone)]
pub(crate) struct Runtime {
    tokio: Arc<Holder>,
}

/// Keeps the runtime in an option, so that it can be shut down without waiting: dropping a
/// runtime inside an asynchronous context would panic.
struct Holder(Option<Tokio>);

impl Drop for Holder {
    fn drop(&mut self) {
        if let Some(tokio) = self.0.take() {
            tokio.shutdown_background();
        }
    }
}

impl Runtime {
    /// Starts `threads` threads.
    pub(crate) fn new(threads: usize) -> Result<Runtime> {
        let tokio = Builder::new_multi_thread()
            .worker_threads(threads.max(1))
            .max_blocking_threads(threads.max(1) * 2)
            .thread_name("tastedb-query")
            .thread_stack_size(8 << 20)
            .enable_all()
            .build()
            .map_err(|source| Error::internal(format!("cannot start query threads: {source}")))?;
        Ok(Runtime { tokio: Arc::new(Holder(Some(tokio))) })
    }

    /// Runs `work`, which hands over items as they come; `each` gets them on the caller's thread.
    ///
    /// A slow caller slows the work down: only a few items are ever on their way.
    pub(crate) fn stream<T: Send + 'static, F>(
        &self,
        cancel: &CancelToken,
        work: impl FnOnce(Sink<T>) -> F,
        each: &mut dyn FnMut(T) -> Result<()>,
    ) -> Result<()>
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        let tokio = self.tokio.0.as_ref().ok_or_else(|| Error::internal("no query threads"))?;
        let (sender, receiver) = channel();
        let permits = Arc::new(Semaphore::new(AHEAD));
        let ended = sender.clone();
        let running = work(Sink { sender, permits: Arc::clone(&permits) });
        let task = tokio.spawn(async move {
            let end = running.await;
            // A receiver that is gone has given up on the answer.
            let _ = ended.send(Message::End(end));
        });
        loop {
            let outcome = match receiver.recv_timeout(LOOK) {
                Ok(Message::Item(item)) => {
                    permits.add_permits(1);
                    each(item)
                }
                Ok(Message::End(end)) => return end,
                Err(RecvTimeoutError::Timeout) => Ok(()),
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Error::internal("a query ended without an answer"));
                }
            };
            let outcome = match outcome {
                Ok(()) if cancel.is_cancelled() => Err(Error::cancelled()),
                outcome => outcome,
            };
            if let Err(error) = outcome {
                task.abort();
                return Err(error);
            }
        }
    }

    /// Runs `work` to its end on the query threads while the caller waits.
    pub(crate) fn wait<T: Send + 'static>(
        &self,
        cancel: &CancelToken,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let tokio = self.tokio.0.as_ref().ok_or_else(|| Error::internal("no query threads"))?;
        let (sender, receiver) = sync_channel(1);
        let task = tokio.spawn(async move {
            // A receiver that is gone has given up on the answer.
            let _ = sender.send(work.await);
        });
        loop {
            match receiver.recv_timeout(LOOK) {
                Ok(answer) => return answer,
                Err(RecvTimeoutError::Timeout) if cancel.is_cancelled() => {
                    task.abort();
                    return Err(Error::cancelled());
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Error::internal("a query ended without an answer"));
                }
            }
        }
    }
}
