using System;

namespace Hutch.Block.Nbd;

/// <summary>Numbers of the NBD protocol (NetworkBlockDevice/nbd, doc/proto.md). All are big-endian on the wire.</summary>
internal static class NbdProtocol
{
    /// <summary>"NBDMAGIC", the first bytes of a server.</summary>
    internal const ulong ServerMagic = 0x4e42444d41474943;

    /// <summary>"IHAVEOPT", for the newstyle handshake and in front of each option.</summary>
    internal const ulong OptionMagic = 0x49484156454f5054;

    /// <summary>What follows <see cref="ServerMagic"/> in the oldstyle handshake.</summary>
    internal const ulong OldstyleMagic = 0x0000420281861253;

    /// <summary>In front of each answer to an option.</summary>
    internal const ulong OptionReplyMagic = 0x0003e889045565a9;

    internal const uint RequestMagic = 0x25609513, SimpleReplyMagic = 0x67446698, StructuredReplyMagic = 0x668e33ef;

    /// <summary>Bytes of headers.</summary>
    internal const int RequestBytes = 28, SimpleReplyBytes = 16, StructuredReplyBytes = 20;

    /// <summary>Flags of the handshake, of both sides: fixed newstyle; no 124 zeros after an export by name.</summary>
    internal const ushort FixedNewstyle = 1, NoZeroes = 2;

    /// <summary>The longest export name, context name or message, in bytes.</summary>
    internal const int LongestText = 4096;

    /// <summary>The longest payload that every side must be ready for.</summary>
    internal const int LargestPayload = 32 << 20;

    /// <summary>The registered TCP port.</summary>
    internal const int DefaultPort = 10809;

    /// <summary>A chunk of a structured reply is the last.</summary>
    internal const ushort ChunkDone = 1;

    /// <summary>Flags of the context base:allocation.</summary>
    internal const uint StateHole = 1, StateZero = 2;

    /// <summary>Flag of the contexts qemu:dirty-bitmap:*.</summary>
    internal const uint StateDirty = 1;

    internal const string BaseAllocation = "base:allocation", DirtyBitmapPrefix = "qemu:dirty-bitmap:", AllocationDepth = "qemu:allocation-depth";
}

/// <summary>What an export can (NBD_FLAG_*).</summary>
[Flags]
internal enum NbdExportFlags : ushort
{
    None = 0,
    HasFlags = 1,
    ReadOnly = 2,
    SendFlush = 4,
    SendFua = 8,
    Rotational = 16,
    SendTrim = 32,
    SendWriteZeroes = 64,
    SendDontFragment = 128,
    CanMultiConnect = 256,
    SendResize = 512,
    SendCache = 1024,
    SendFastZero = 2048,
}

/// <summary>Options of the handshake (NBD_OPT_*).</summary>
internal enum NbdOption : uint
{
    ExportName = 1,
    Abort = 2,
    List = 3,
    StartTls = 5,
    Info = 6,
    Go = 7,
    StructuredReply = 8,
    ListMetaContext = 9,
    SetMetaContext = 10,
}

/// <summary>Answers to options (NBD_REP_*).</summary>
internal enum NbdReply : uint
{
    Ack = 1,
    Server = 2,
    Info = 3,
    MetaContext = 4,
    FirstError = 1u << 31,
    ErrorUnsupported = FirstError | 1,
    ErrorPolicy = FirstError | 2,
    ErrorInvalid = FirstError | 3,
    ErrorPlatform = FirstError | 4,
    ErrorTlsRequired = FirstError | 5,
    ErrorUnknown = FirstError | 6,
    ErrorShutdown = FirstError | 7,
    ErrorBlockSizeRequired = FirstError | 8,
    ErrorTooBig = FirstError | 9,
}

/// <summary>Kinds of information about an export (NBD_INFO_*).</summary>
internal enum NbdInfo : ushort
{
    Export = 0,
    Name = 1,
    Description = 2,
    BlockSize = 3,
}

/// <summary>Requests (NBD_CMD_*).</summary>
internal enum NbdCommand : ushort
{
    Read = 0,
    Write = 1,
    Disconnect = 2,
    Flush = 3,
    Trim = 4,
    Cache = 5,
    WriteZeroes = 6,
    BlockStatus = 7,
}

/// <summary>Flags of requests (NBD_CMD_FLAG_*).</summary>
[Flags]
internal enum NbdCommandFlags : ushort
{
    None = 0,
    Fua = 1,
    NoHole = 2,
    DontFragment = 4,
    RequestOne = 8,
    FastZero = 16,
}

/// <summary>Chunks of structured replies (NBD_REPLY_TYPE_*).</summary>
internal enum NbdChunk : ushort
{
    None = 0,
    OffsetData = 1,
    OffsetHole = 2,
    BlockStatus = 5,
    FirstError = 1 << 15,
    Error = FirstError | 1,
    ErrorOffset = FirstError | 2,
}
