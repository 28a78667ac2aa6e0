using System;
using Hutch.Core.Bus;
using Hutch.Core.Memory;
using Hutch.Core.State;

namespace Hutch.Devices.Firmware;

/// <summary>
/// [768 KiB, 1 MiB): RAM or the firmware's image, segment by segment, as the host bridge's programmable attribute maps say (Intel 3 Series datasheet §5.1.14):
/// bit 0 of a field lets reads go to RAM, bit 1 writes. What a segment shows lies in guest RAM, protected unless both go there; what it does not show is kept here.
/// Called under the bus's configuration lock, or while no vCPU runs.
/// </summary>
internal sealed class ShadowRam : IBusDevice
{
    /// <summary>First address.</summary>
    internal const ulong Start = 0xc_0000;

    /// <summary>Length in bytes.</summary>
    internal const int LengthBytes = 0x4_0000;

    // Twelve segments of 16 KiB and one of 64 KiB.
    private const int SmallBytes = 0x4000, SmallCount = 12, SegmentCount = 13;
    private const byte ReadsRam = 1, WritesRam = 2;

    private readonly GuestMemory _memory;
    private readonly byte[] _rom = new byte[LengthBytes];
    private readonly byte[] _hidden = new byte[LengthBytes];
    private readonly byte[] _modes = new byte[SegmentCount];

    /// <summary>Takes over the range.</summary>
    /// <param name="memory">Guest RAM.</param>
    /// <param name="mmio">Where the guest's stores to protected segments arrive.</param>
    /// <param name="image">The firmware's last bytes, up to <see cref="LengthBytes"/>; nothing lies below them.</param>
    internal ShadowRam(GuestMemory memory, AddressBus mmio, ReadOnlySpan<byte> image)
    {
        _memory = memory;
        _rom.AsSpan().Fill(0xff);
        image.CopyTo(_rom.AsSpan(LengthBytes - image.Length));
        mmio.Map("shadow ram", Start, LengthBytes, this);
        Protect();
    }

    /// <summary>Power-on: RAM holds zeros, and the image is seen.</summary>
    internal void Load()
    {
        Array.Clear(_modes);
        Array.Clear(_hidden);
        _memory.TryCopyIn(Start, _rom);
        Protect();
    }

    /// <summary>The attribute maps have changed.</summary>
    /// <param name="maps">PAM0 to PAM6.</param>
    internal void Update(ReadOnlySpan<byte> maps)
    {
        bool changed = false;
        for (int segment = 0; segment < SegmentCount; segment++)
        {
            byte mode = ModeOf(maps, segment);
            if (mode == _modes[segment]) continue;
            changed = true;
            if (((mode ^ _modes[segment]) & ReadsRam) != 0) Show(segment, (mode & ReadsRam) != 0);
            _modes[segment] = mode;
        }
        if (changed) Protect();
    }

    /// <summary>Saves or restores what is not seen. What is seen is in guest RAM, which is restored first.</summary>
    internal void Exchange(StateFields fields)
    {
        // As a rule there is nothing in RAM that was never shown.
        byte[] hidden = fields.Blob("hidden", _hidden.AsSpan().ContainsAnyExcept((byte)0) ? _hidden : [], LengthBytes);
        fields.Bytes("modes", _modes);
        if (!fields.IsRestoring) return;
        fields.Require(hidden.Length is 0 or LengthBytes, "hidden");
        Array.Clear(_hidden);
        hidden.CopyTo(_hidden, 0);
        for (int segment = 0; segment < SegmentCount; segment++) fields.Require(_modes[segment] <= (ReadsRam | WritesRam), "modes");
        Protect();
    }

    /// <inheritdoc/>
    public BusStatus Read(ulong offset, Span<byte> data) => BusStatus.BadOffset;

    /// <summary>A store that RAM does not take by itself: in a segment that is read from the image and written to RAM it goes to the RAM that is not seen.</summary>
    public BusStatus Write(ulong offset, ReadOnlySpan<byte> data)
    {
        for (int i = 0; i < data.Length; i++)
        {
            int at = (int)offset + i;
            if (_modes[SegmentAt(at)] == WritesRam) _hidden[at] = data[i];
        }
        return BusStatus.Handled;
    }

    private void Show(int segment, bool ram)
    {
        (int offset, int length) = PlaceOf(segment);
        Span<byte> hidden = _hidden.AsSpan(offset, length);
        ulong address = Start + (ulong)offset;
        if (ram) _memory.TryCopyIn(address, hidden);
        else
        {
            _memory.TryCopyOut(address, hidden);
            _memory.TryCopyIn(address, _rom.AsSpan(offset, length));
        }
        if (ram) hidden.Clear();
    }

    private void Protect()
    {
        ulong mask = 0;
        for (int offset = 0; offset < LengthBytes; offset += (int)MemoryLayout.SegmentBytes)
            if (_modes[SegmentAt(offset)] != (ReadsRam | WritesRam)) mask |= 1UL << (int)((Start + (ulong)offset) / MemoryLayout.SegmentBytes);
        _memory.Layout.ProtectSegments(mask);
    }

    // PAM0 has the last 64 KiB in its upper field; the others have two segments each, the lower one first.
    private static byte ModeOf(ReadOnlySpan<byte> maps, int segment) => segment == SmallCount
        ? (byte)(maps[0] >> 4 & 3) : (byte)(maps[1 + (segment / 2)] >> (segment % 2 * 4) & 3);

    private static int SegmentAt(int offset) => Math.Min(offset / SmallBytes, SmallCount);

    private static (int Offset, int Length) PlaceOf(int segment) =>
        segment == SmallCount ? (SmallCount * SmallBytes, LengthBytes - (SmallCount * SmallBytes)) : (segment * SmallBytes, SmallBytes);
}
