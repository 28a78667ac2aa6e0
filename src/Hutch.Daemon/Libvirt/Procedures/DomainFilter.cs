using Hutch.Management.Domains;

namespace Hutch.Daemon.Libvirt.Procedures;

/// <summary>Which domains a list is to have (virConnectListAllDomainsFlags): groups of flags, of which each that has any set wants one of its own to be true.</summary>
internal static class DomainFilter
{
    private const uint Active = 1, Inactive = 2, Persistent = 4, Transient = 8, Running = 16, Paused = 32, Shutoff = 64, Other = 128, ManagedSave = 256, NoManagedSave = 512,
        Autostart = 1024, NoAutostart = 2048, HasSnapshot = 4096, NoSnapshot = 8192, HasCheckpoint = 16384, NoCheckpoint = 32768;

    private static readonly uint[] Groups =
        [Active | Inactive, Persistent | Transient, Running | Paused | Shutoff | Other, ManagedSave | NoManagedSave, Autostart | NoAutostart, HasSnapshot | NoSnapshot, HasCheckpoint | NoCheckpoint];

    /// <summary>Whether a domain belongs to the list.</summary>
    internal static bool Passes(Domain domain, uint flags)
    {
        uint own = (domain.IsActive ? Active : Inactive) | (domain.IsPersistent ? Persistent : Transient) | (domain.Autostart ? Autostart : NoAutostart) | NoManagedSave | NoSnapshot | NoCheckpoint
            | domain.State switch { DomainState.Running => Running, DomainState.ShutOff => Shutoff, _ => Paused };
        foreach (uint group in Groups)
            if ((flags & group) != 0 && (flags & group & own) == 0) return false;
        return true;
    }
}
