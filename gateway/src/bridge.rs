//! `lockstep-gateway bridge`: waits for runs on a Unix socket.

use std::io::Write;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;
use std::process::ExitCode;

use tokio::net::{UnixListener, UnixStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

use crate::allow::AllowList;
use crate::arguments::BridgeArguments;
use crate::error::GatewayError;
use crate::session;

/// Runs served at once.
const RUNS_MAX: usize = 8;

/// Serves runs until it is told to end.
pub async fn bridge(arguments: &BridgeArguments) -> Result<ExitCode, GatewayError> {
    // Here only to find mistakes before anybody waits: each run gets names resolved afresh.
    AllowList::new(&arguments.allow).await?;
    let path = &arguments.socket;
    let listener = listen(path).await?;
    let _socket = RemovedAtEnd(path);
    let mut terminate = signal(SignalKind::terminate()).map_err(GatewayError::Runtime)?;
    say(&format!("listening on {}", path.display()))?;
    if arguments.allow.is_empty() {
        tracing::warn!("nothing is allowed: every connection will be refused (see --allow)");
    }
    for rule in &arguments.allow {
        tracing::info!("allowed: {rule}");
    }
    let mut runs = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if runs.len() < RUNS_MAX => {
                let run = match accepted {
                    Ok((run, _)) => run,
                    Err(error) => {
                        let reason = format!("cannot accept a run: {error}");
                        return Err(GatewayError::Socket { path: path.clone(), reason });
                    }
                };
                tracing::info!("a run has come");
                let allow = AllowList::new(&arguments.allow).await?;
                runs.spawn(session::serve(run, allow));
            }
            Some(ended) = runs.join_next(), if !runs.is_empty() => {
                match ended {
                    Ok(Ok(())) => tracing::info!("the run has gone"),
                    Ok(Err(error)) => tracing::warn!("{error}"),
                    Err(error) => tracing::error!("the session failed: {error}"),
                }
                if arguments.once {
                    return Ok(ExitCode::SUCCESS);
                }
            }
            _ = tokio::signal::ctrl_c() => return Ok(ExitCode::SUCCESS),
            _ = terminate.recv() => return Ok(ExitCode::SUCCESS),
        }
    }
}

/// A line on standard output; who started us may wait for it.
fn say(line: &str) -> Result<(), GatewayError> {
    let mut output = std::io::stdout();
    writeln!(output, "{line}").and_then(|()| output.flush()).map_err(GatewayError::Output)
}

/// Makes the socket, for its owner only; one that nobody listens on any more is replaced.
async fn listen(path: &Path) -> Result<UnixListener, GatewayError> {
    let refused = |reason: String| GatewayError::Socket { path: path.to_owned(), reason };
    if let Ok(found) = std::fs::symlink_metadata(path) {
        if !found.file_type().is_socket() {
            return Err(refused("exists and is no socket; give another path".to_owned()));
        }
        if UnixStream::connect(path).await.is_ok() {
            return Err(refused("another gateway listens here; give another path".to_owned()));
        }
        std::fs::remove_file(path).map_err(|error| refused(format!("cannot replace the old socket: {error}")))?;
    }
    let listener = UnixListener::bind(path).map_err(|error| refused(format!("cannot listen here: {error}")))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
        .map_err(|error| refused(format!("cannot set permissions: {error}")))?;
    Ok(listener)
}

struct RemovedAtEnd<'a>(&'a Path);

impl Drop for RemovedAtEnd<'_> {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(self.0);
    }
}
