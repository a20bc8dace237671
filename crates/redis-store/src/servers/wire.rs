//! One connection, on which the commands of all callers follow each other: [`Wire`].

use std::{
    collections::VecDeque,
    future::poll_fn,
    io,
    pin::{Pin, pin},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::BytesMut;
use futures_util::task::AtomicWaker;
use redis::Cmd;
use tokio::{
    io::{AsyncReadExt, AsyncWrite},
    sync::oneshot,
    time::{Instant, Sleep},
};

use super::{
    dial::Stream,
    reply::{Frame, Reply},
};

/// Room for so many bytes is made before each read.
const READ_BYTES: usize = 32 * 1_024;

/// A buffer of more bytes than this is not kept for the next commands.
const KEPT_BYTES: usize = 1_024 * 1_024;

/// So many times within the timeout it is looked whether an answer is overdue.
const LOOKS: u32 = 8;

/// A connection whose copies share it: commands are sent in the order of the calls, and answered in it.
///
/// What tasks send before the connection's own task runs leaves in one write, and what arrives in one read
/// is given out at once; each answer is taken apart by who asked. A caller that is gone is answered to
/// nobody. Nothing is sent twice. The connection ends, with all who wait, when an answer is overdue.
#[derive(Clone)]
pub(super) struct Wire(Arc<Caller>);

/// Ends the connection with the last of its copies.
struct Caller(Arc<Shared>);

struct Shared {
    line: Mutex<Line>,
    driver: AtomicWaker,
}

/// What has not been sent.
#[derive(Default)]
struct Line {
    commands: Vec<u8>,
    callers: Vec<Asked>,
    /// No caller is left.
    is_left: bool,
    /// Why nothing more is sent.
    end: Option<io::ErrorKind>,
}

/// Who waits for how many answers.
struct Asked {
    answers: usize,
    caller: oneshot::Sender<Reply>,
}

impl Wire {
    /// Begins to carry commands over a stream. Answers are waited for so long.
    pub(super) fn over(stream: Box<dyn Stream>, timeout: Duration) -> Self {
        let shared = Arc::new(Shared { line: Mutex::default(), driver: AtomicWaker::new() });
        let mut driver = Driver::new(stream, Arc::clone(&shared), timeout);
        tokio::spawn(async move {
            let end = poll_fn(|context| driver.poll(context)).await;
            driver.shared.end(end);
        });
        Self(Arc::new(Caller(shared)))
    }

    /// Sends commands in a row; the answer has that of each, any of which may be an error.
    pub(super) async fn send(&self, commands: &[Cmd]) -> io::Result<Reply> {
        let shared = &self.0.0;
        let (caller, answer) = oneshot::channel();
        let is_first = {
            let mut line = shared.line();
            if let Some(end) = line.end {
                return Err(end.into());
            }
            let is_first = line.callers.is_empty();
            for command in commands {
                command.write_packed_command(&mut line.commands);
            }
            line.callers.push(Asked { answers: commands.len(), caller });
            is_first
        };
        // The others leave together with the first.
        if is_first {
            shared.driver.wake();
        }
        answer
            .await
            .map_err(|_| shared.line().end.unwrap_or(io::ErrorKind::ConnectionAborted).into())
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        self.0.line().is_left = true;
        self.0.driver.wake();
    }
}

impl Shared {
    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self, kind: io::ErrorKind) {
        let mut line = self.line();
        line.end = Some(kind);
        // Who waits sees its sender go.
        line.callers.clear();
    }
}

/// Writes what callers send, and gives them what arrives.
struct Driver {
    stream: Box<dyn Stream>,
    shared: Arc<Shared>,
    /// What is being written, and how much of it was.
    writing: Vec<u8>,
    written: usize,
    is_flushed: bool,
    /// Who waits for answers to what was taken to be written, and since when.
    waiting: VecDeque<(Asked, Instant)>,
    reading: BytesMut,
    frame: Frame,
    timeout: Duration,
    next_look: Pin<Box<Sleep>>,
    is_looking: bool,
}

impl Driver {
    fn new(stream: Box<dyn Stream>, shared: Arc<Shared>, timeout: Duration) -> Self {
        Self {
            stream,
            shared,
            writing: Vec::new(),
            written: 0,
            is_flushed: true,
            waiting: VecDeque::new(),
            reading: BytesMut::new(),
            frame: Frame::default(),
            timeout,
            next_look: Box::pin(tokio::time::sleep(timeout)),
            is_looking: false,
        }
    }

    /// Ready at the end of the connection, with the reason.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<io::ErrorKind> {
        self.shared.driver.register(context.waker());
        for work in [Self::poll_write, Self::poll_read] {
            match work(self, context) {
                Poll::Pending => {}
                Poll::Ready(Ok(())) if self.is_done() => {
                    return Poll::Ready(io::ErrorKind::ConnectionAborted);
                }
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(error.kind()),
            }
        }
        self.poll_overdue(context)
    }

    /// Whether all callers are gone and what they sent was answered.
    fn is_done(&self) -> bool {
        self.waiting.is_empty() && {
            let line = self.shared.line();
            line.is_left && line.callers.is_empty()
        }
    }

    /// Ready when all that was sent has left.
    fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            while self.written < self.writing.len() {
                let rest = &self.writing[self.written..];
                match ready!(Pin::new(&mut self.stream).poll_write(context, rest))? {
                    0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    written => self.written += written,
                }
            }
            if !self.take_commands() {
                break;
            }
        }
        if !self.is_flushed {
            ready!(Pin::new(&mut self.stream).poll_flush(context))?;
            self.is_flushed = true;
        }
        Poll::Ready(Ok(()))
    }

    /// Takes what was sent meanwhile.
    fn take_commands(&mut self) -> bool {
        self.writing.clear();
        self.written = 0;
        if self.writing.capacity() > KEPT_BYTES {
            self.writing = Vec::new();
        }
        let mut line = self.shared.line();
        if line.callers.is_empty() {
            return false;
        }
        std::mem::swap(&mut self.writing, &mut line.commands);
        let now = Instant::now();
        self.waiting.extend(line.callers.drain(..).map(|asked| (asked, now)));
        self.is_flushed = false;
        true
    }

    /// Pending as long as answers may come.
    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            self.reading.reserve(READ_BYTES);
            let read = pin!(self.stream.read_buf(&mut self.reading)).poll(context);
            if ready!(read)? == 0 {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
            self.give_out()?;
            if self.is_done() {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Gives whole answers to those who wait for them.
    fn give_out(&mut self) -> io::Result<()> {
        while !self.reading.is_empty() {
            let Some((asked, _)) = self.waiting.front() else {
                return Err(io::ErrorKind::InvalidData.into());
            };
            let Some(end) = self.frame.end(&self.reading, asked.answers)? else { break };
            self.frame = Frame::default();
            let reply = Reply::from(self.reading.split_to(end).freeze());
            if let Some((asked, _)) = self.waiting.pop_front() {
                // Its caller may be gone.
                let _ = asked.caller.send(reply);
            }
        }
        Ok(())
    }

    /// Ready when an answer is overdue.
    fn poll_overdue(&mut self, context: &mut Context<'_>) -> Poll<io::ErrorKind> {
        while let Some((_, since)) = self.waiting.front() {
            if !self.is_looking {
                self.next_look.as_mut().reset(Instant::now() + self.timeout / LOOKS);
                self.is_looking = true;
            }
            ready!(self.next_look.as_mut().poll(context));
            self.is_looking = false;
            if since.elapsed() >= self.timeout {
                return Poll::Ready(io::ErrorKind::TimedOut);
            }
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests;
