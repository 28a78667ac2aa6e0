namespace Hutch.Devices.Virtio.Gpu;

/// <summary>Numbers of the GPU device in 2D mode (virtio 1.2 §5.7). All values are little-endian.</summary>
internal static class VirtioGpuRegisters
{
    internal const ushort DeviceType = 16;

    // Feature bits (§5.7.3).
    internal const ulong FeatureEdid = 1UL << 1;

    // Queues (§5.7.2).
    internal const int ControlQueue = 0, CursorQueue = 1;

    // struct virtio_gpu_config (§5.7.4).
    internal const int EventsRead = 0, EventsClear = 4, ScanoutCount = 8, ConfigBytes = 16;
    internal const uint EventDisplay = 1;

    // struct virtio_gpu_ctrl_hdr (§5.7.6.7).
    internal const int HeaderFlags = 4, HeaderFence = 8, HeaderContext = 16, HeaderBytes = 24;
    internal const uint FlagFence = 1;

    // Commands (§5.7.6.7).
    internal const uint GetDisplayInfo = 0x100, Create2D = 0x101, Unreference = 0x102, SetScanout = 0x103, Flush = 0x104, TransferToHost2D = 0x105;
    internal const uint AttachBacking = 0x106, DetachBacking = 0x107, GetEdid = 0x10a, UpdateCursor = 0x300, MoveCursor = 0x301;

    // Answers (§5.7.6.7).
    internal const uint Completed = 0x1100, DisplayInfo = 0x1101, EdidFollows = 0x1104;
    internal const uint Unspecified = 0x1200, OutOfMemory = 0x1201, BadScanout = 0x1202, BadResource = 0x1203, BadParameter = 0x1205;

    // Fields behind the header of commands (§5.7.6.8, §5.7.6.10). A rectangle is x, y, width, height.
    internal const int Resource = 24, CreateFormat = 28, CreateWidth = 32, CreateHeight = 36, CreateBytes = 40;
    internal const int Rectangle = 24, ScanoutNumber = 40, ScanoutResource = 44, ScanoutBytes = 48;
    internal const int FlushResource = 40, FlushBytes = 48;
    internal const int TransferOffset = 40, TransferResource = 48, TransferBytes = 56;
    internal const int BackingCount = 28, BackingEntries = 32, ResourceBytes = 32;
    internal const int EdidScanout = 24, EdidBytes = 32;
    internal const int CursorScanout = 24, CursorX = 28, CursorY = 32, CursorResource = 40, CursorBytes = 56;

    // struct virtio_gpu_mem_entry.
    internal const int EntryLength = 8, EntryBytes = 16;

    // struct virtio_gpu_resp_display_info: a rectangle, a switch and flags for each of 16 scanouts.
    internal const int InfoWidth = 32, InfoHeight = 36, InfoEnabled = 40, InfoBytes = HeaderBytes + (16 * 24);

    // struct virtio_gpu_resp_edid.
    internal const int EdidLength = 24, EdidBlob = 32, EdidAnswerBytes = EdidBlob + 1024;
}
