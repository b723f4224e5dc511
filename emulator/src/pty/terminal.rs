//! The pseudo-terminal: its master is ours, its slave is what programs open.

use std::ffi::OsStr;
use std::io::{Error, Result};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, fcntl_setfl, open};
use rustix::io::Errno;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{ControlModes, OptionalActions, QueueSelector, tcflush, tcgetattr, tcsetattr};

use super::link::Link;

/// What the program at the other end has set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientSettings {
    /// Bit rate; `None` if it is not known.
    pub baud_hz: Option<u32>,
    /// It waits while the modem's CTS is off.
    pub heeds_cts: bool,
}

/// What can be done without waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready {
    /// Characters can be read.
    pub readable: bool,
    /// No program has the slave open.
    pub closed: bool,
}

/// The master, and the link to the slave.
#[derive(Debug)]
pub struct Terminal {
    master: OwnedFd,
    slave: PathBuf,
    _link: Link,
}

impl Terminal {
    /// Makes one whose slave is found at `path`, raw and with this bit rate until a program sets another.
    pub fn new(path: &Path, baud_hz: u32) -> Result<Self> {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let name = ptsname(&master, Vec::new())?;
        let slave = PathBuf::from(OsStr::from_bytes(name.as_bytes()));
        fcntl_setfl(&master, OFlags::NONBLOCK)?;
        let terminal = Self { _link: Link::new(path, &slave)?, master, slave };
        // Opened and closed once, so that the master can tell whether a program has it open.
        let slave = terminal.open_slave()?;
        let mut settings = tcgetattr(&slave)?;
        settings.make_raw();
        settings.set_speed(baud_hz)?;
        tcsetattr(&slave, OptionalActions::Now, &settings)?;
        Ok(terminal)
    }

    /// The slave's own name.
    pub fn slave(&self) -> &Path {
        &self.slave
    }

    fn open_slave(&self) -> Result<OwnedFd> {
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        Ok(open(&self.slave, flags, Mode::empty())?)
    }

    /// What the program at the other end has set.
    pub fn client_settings(&self) -> ClientSettings {
        // The system gives the slave's settings for the master, too.
        match tcgetattr(&self.master) {
            Ok(settings) => ClientSettings {
                // 0 means "hang up" and is no rate.
                baud_hz: Some(settings.output_speed()).filter(|hz| *hz > 0),
                heeds_cts: settings.control_modes.contains(ControlModes::CRTSCTS),
            },
            Err(_) => ClientSettings { baud_hz: None, heeds_cts: false },
        }
    }

    /// Waits until something is possible that is wanted, a program closes the slave, or the time is over.
    pub fn wait(&self, read: bool, write: bool, timeout: Duration) -> Result<Ready> {
        let mut wanted = PollFlags::empty();
        wanted.set(PollFlags::IN, read);
        wanted.set(PollFlags::OUT, write);
        let mut polled = [PollFd::new(&self.master, wanted)];
        let timeout = Timespec {
            tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: timeout.subsec_nanos().into(),
        };
        match poll(&mut polled, Some(&timeout)) {
            // A signal: the caller looks why.
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let [polled] = polled.map(|polled| polled.revents());
        Ok(Ready { readable: polled.contains(PollFlags::IN), closed: polled.contains(PollFlags::HUP) })
    }

    /// Reads what is there; 0 if nothing is.
    pub fn read(&self, to: &mut [u8]) -> Result<usize> {
        nothing_for_now(rustix::io::read(&self.master, to))
    }

    /// Writes what there is room for; 0 if there is none.
    pub fn write(&self, bytes: &[u8]) -> Result<usize> {
        nothing_for_now(rustix::io::write(&self.master, bytes))
    }

    /// Throws away what the program that has closed the slave did not read: the next one shall not find it.
    pub fn forget_unread(&self) -> Result<()> {
        Ok(tcflush(self.open_slave()?, QueueSelector::IFlush)?)
    }
}

/// `EIO` is how the master says that nobody has the slave open.
fn nothing_for_now(result: std::result::Result<usize, Errno>) -> Result<usize> {
    match result {
        Ok(count) => Ok(count),
        Err(Errno::AGAIN | Errno::IO | Errno::INTR) => Ok(0),
        Err(error) => Err(Error::from(error)),
    }
}
