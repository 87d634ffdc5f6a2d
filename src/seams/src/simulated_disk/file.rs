//! [`SimulatedFile`]: an open file of a simulated disk.

use std::io::{self, IoSlice};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::disk::DiskFile;
use crate::rng::Rng;

use super::faults::Verdict;
use super::inode::Inode;
use super::{Machine, Operation};

#[derive(Debug)]
pub(super) struct SimulatedFile {
    pub(super) machine: Arc<Machine>,
    pub(super) inode: Arc<Mutex<Inode>>,
    pub(super) writable: bool,
}

// === impl SimulatedFile ===

impl SimulatedFile {
    /// A call that changes the file: all of it, or when it fails the first part that `Part` says.
    fn change(
        &self,
        operation: Operation,
        bytes: u64,
        change: impl FnOnce(&mut Inode, Part<'_>) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut state = self.machine.state.lock();
        let failure = match state.faults.next(operation, bytes) {
            Verdict::Works => None,
            Verdict::Fails(error) | Verdict::Stops(error) => Some(error),
            Verdict::Off(error) => return Err(error),
        };
        if state.read_only || !self.writable {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        let free_bytes = state.capacity_bytes.saturating_sub(state.used_bytes());
        let mut inode = self.inode.lock();
        match failure {
            None => change(&mut inode, Part::All { free_bytes }),
            Some(error) => {
                change(&mut inode, Part::Some { rng: &self.machine.rng, free_bytes })?;
                Err(error)
            }
        }
    }
}

/// How much of a call happens.
enum Part<'a> {
    /// All that fits.
    All { free_bytes: u64 },
    /// Any first part that fits.
    Some { rng: &'a Rng, free_bytes: u64 },
}

impl DiskFile for SimulatedFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut state = self.machine.state.lock();
        match state.faults.next(Operation::ReadAt, buffer.len() as u64) {
            Verdict::Works => Ok(self.inode.lock().read(buffer, offset)),
            Verdict::Fails(error) | Verdict::Stops(error) | Verdict::Off(error) => Err(error),
        }
    }

    fn write_at(&self, slices: &mut [IoSlice<'_>], offset: u64) -> io::Result<()> {
        let mut bytes = Vec::new();
        for slice in slices.iter() {
            bytes.extend_from_slice(slice);
        }
        self.change(Operation::WriteAt, bytes.len() as u64, |inode, part| {
            let (wanted, free_bytes) = match part {
                Part::All { free_bytes } => (bytes.len() as u64, free_bytes),
                Part::Some { rng, free_bytes } => (rng.below(bytes.len() as u64 + 1), free_bytes),
            };
            let fits = wanted.min((inode.len() + free_bytes).saturating_sub(offset));
            inode.write(&bytes[..fits as usize], offset);
            if fits < wanted { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.machine.state.lock();
        let verdict = state.faults.next(Operation::SyncData, 0);
        let mut inode = self.inode.lock();
        match verdict {
            Verdict::Works => {
                inode.sync();
                Ok(())
            }
            Verdict::Fails(error) => {
                inode.abandon_unsynced();
                Err(error)
            }
            // The kernel goes on without the process; without power it is all undecided anyway.
            Verdict::Stops(error) | Verdict::Off(error) => Err(error),
        }
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.change(Operation::Allocate, 0, |inode, part| match part {
            Part::All { free_bytes } if len > inode.len() + free_bytes => {
                Err(io::ErrorKind::StorageFull.into())
            }
            Part::All { .. } => {
                inode.set_len(len.max(inode.len()));
                Ok(())
            }
            Part::Some { .. } => Ok(()),
        })
    }

    fn lay_out(&self, len: u64) -> io::Result<()> {
        self.change(Operation::LayOut, len, |inode, part| match part {
            Part::All { free_bytes } if len > inode.len() + free_bytes => {
                Err(io::ErrorKind::StorageFull.into())
            }
            Part::All { .. } => {
                inode.write(&vec![0; len as usize], 0);
                inode.sync();
                Ok(())
            }
            Part::Some { rng, free_bytes } => {
                let some = rng.below(len.min(inode.len() + free_bytes) + 1);
                inode.write(&vec![0; some as usize], 0);
                Ok(())
            }
        })
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.change(Operation::SetLen, 0, |inode, part| match part {
            Part::All { .. } => {
                inode.set_len(len);
                Ok(())
            }
            Part::Some { .. } => Ok(()),
        })
    }

    fn len(&self) -> io::Result<u64> {
        let mut state = self.machine.state.lock();
        match state.faults.next(Operation::Len, 0) {
            Verdict::Works => Ok(self.inode.lock().len()),
            Verdict::Fails(error) | Verdict::Stops(error) | Verdict::Off(error) => Err(error),
        }
    }
}
