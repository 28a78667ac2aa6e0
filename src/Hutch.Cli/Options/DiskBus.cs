namespace Hutch.Cli.Options;

/// <summary>What a disk is connected to.</summary>
internal enum DiskBus
{
    /// <summary>It is a virtio device of its own.</summary>
    Virtio,

    /// <summary>The SATA controller.</summary>
    Sata,

    /// <summary>The IDE controller of a pc.</summary>
    Ide,

    /// <summary>The virtio SCSI host.</summary>
    Scsi,
}
