namespace Hutch.Devices.Virtio.Scsi;

/// <summary>What storage is to do for a command.</summary>
internal enum ScsiOperation
{
    /// <summary>Nothing: it is answered.</summary>
    None,

    /// <summary>Read into the driver's memory.</summary>
    Read,

    /// <summary>Write from it.</summary>
    Write,

    /// <summary>Make durable what was written.</summary>
    Flush,

    /// <summary>Write zeroes.</summary>
    Zero,

    /// <summary>Discard ranges.</summary>
    Discard,
}
