namespace Hutch.Devices.Ide;

/// <summary>How far the command of a channel is.</summary>
internal enum IdePhase
{
    /// <summary>There is none.</summary>
    Idle,

    /// <summary>The worker is to begin it.</summary>
    Begun,

    /// <summary>The worker is to read or store the next part of a programmed transfer.</summary>
    NextPart,

    /// <summary>The guest reads a block.</summary>
    DataIn,

    /// <summary>The guest writes a block.</summary>
    DataOut,

    /// <summary>The guest writes a packet.</summary>
    PacketIn,

    /// <summary>The guest is to start the bus master.</summary>
    AwaitsMaster,

    /// <summary>Both devices are being reset, and tell how they are.</summary>
    Diagnostic,

    /// <summary>The worker or storage has it. Not while the machine stands still.</summary>
    Working,
}
