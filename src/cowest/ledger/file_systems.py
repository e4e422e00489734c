"""Whether a path lies on a network file system, where SQLite's locks are not to be relied on."""

from pathlib import Path

_NETWORK_FILE_SYSTEMS = (
    *("nfs", "nfs4", "cifs", "smb2", "smb3", "smbfs", "ncpfs", "afs", "ceph", "lustre", "gpfs", "beegfs"),
    *("glusterfs", "fuse.glusterfs", "fuse.sshfs", "fuse.ceph", "fuse.rclone", "fuse.s3fs", "fuse.gcsfuse"),
)


def network_file_system(path: str | Path, mounts: str | Path = "/proc/mounts") -> str | None:
    """The type of the network file system that `path` lies on; None for a local one, or where `mounts` cannot be read.

    WAL mode needs memory and locks that all processes share, which network file systems do not promise.
    """
    try:
        lines = Path(mounts).read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return None
    real = Path(path).expanduser().resolve()
    points: dict[Path, str] = {}
    for line in lines:
        _, point, kind, *_ = line.split()
        points[Path(point.replace("\\040", " "))] = kind  # a later mount hides an earlier one in the same place
    kind = next((points[folder] for folder in (real, *real.parents) if folder in points), "")
    return kind if kind in _NETWORK_FILE_SYSTEMS else None
