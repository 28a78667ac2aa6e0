using System;
using System.Buffers.Binary;
using Hutch.Devices.Display;
using Hutch.Devices.Virtio.Queue;
using static Hutch.Devices.Virtio.Gpu.VirtioGpuRegisters;

namespace Hutch.Devices.Virtio.Gpu;

/// <summary>
/// Carries out the driver's commands (virtio 1.2 §5.7.6.8, §5.7.6.10), each of them wholly before it is answered, so that a fence needs nothing more (§5.7.6.5). Used by the device's worker.
/// </summary>
internal sealed class GpuCommands(GpuDisplay display)
{
    private readonly byte[] _request = new byte[Math.Max(TransferBytes, CursorBytes)], _answer = new byte[EdidAnswerBytes];

    /// <summary>Executes the command of a chain and writes its answer, or as much of it as there is room for. Returns the bytes written.</summary>
    /// <param name="chain">The driver's.</param>
    /// <param name="isCursor">It came by the cursor queue.</param>
    /// <param name="knowsEdid">The driver took VIRTIO_GPU_F_EDID.</param>
    internal uint Execute(DescriptorChain chain, bool isCursor, bool knowsEdid)
    {
        int length = (int)Math.Min(chain.ReadableBytes, _request.Length), answered = HeaderBytes;
        Span<byte> request = _request.AsSpan(0, length);
        _ = chain.TryRead(0, request);
        Array.Clear(_answer);
        uint code = Unspecified;
        if (length >= HeaderBytes)
        {
            uint type = Field(0);
            int needed = BytesOf(type, isCursor, knowsEdid);
            lock (display.Gate)
            {
                if (needed != 0) code = length < needed ? BadParameter : Execute(type, chain, ref answered);
            }
            if ((Field(HeaderFlags) & FlagFence) != 0)
            {
                Put(HeaderFlags, FlagFence);
                request[HeaderFence..(HeaderContext + sizeof(uint))].CopyTo(_answer.AsSpan(HeaderFence));
            }
        }
        Put(0, code);
        answered = (int)Math.Min(answered, chain.WritableBytes);
        return chain.TryWrite(0, _answer.AsSpan(0, answered)) ? (uint)answered : 0;
    }

    // The fixed bytes of a command; 0: there is no such command there.
    private static int BytesOf(uint type, bool isCursor, bool knowsEdid) => type switch
    {
        UpdateCursor or MoveCursor => isCursor ? CursorBytes : 0,
        _ when isCursor => 0,
        GetDisplayInfo => HeaderBytes,
        Create2D => CreateBytes,
        Unreference or AttachBacking or DetachBacking => ResourceBytes,
        SetScanout => ScanoutBytes,
        Flush => FlushBytes,
        TransferToHost2D => TransferBytes,
        GetEdid when knowsEdid => EdidBytes,
        _ => 0,
    };

    private uint Execute(uint type, DescriptorChain chain, ref int answered)
    {
        switch (type)
        {
            case GetDisplayInfo:
                answered = InfoBytes;
                return TellSize();
            case GetEdid:
                if (Field(EdidScanout) != 0) return BadScanout;
                answered = EdidAnswerBytes;
                return TellEdid();
            case Create2D: return display.Resources.Create(Field(Resource), Field(CreateFormat), Field(CreateWidth), Field(CreateHeight));
            case SetScanout: return Show();
            case UpdateCursor or MoveCursor: return ChangeCursor(type == UpdateCursor);
        }
        uint number = Field(type switch { Flush => FlushResource, TransferToHost2D => TransferResource, _ => Resource });
        if (display.Resources.Find(number) is not { } resource) return BadResource;
        switch (type)
        {
            case Unreference:
                display.Remove(resource);
                return Completed;
            case AttachBacking: return display.Resources.Attach(resource, Field(BackingCount), chain);
            case DetachBacking: return display.Resources.Detach(resource);
        }
        GpuRectangle part = GpuRectangle.Read(_request.AsSpan(Rectangle));
        if (!part.IsWithin((uint)resource.Width, (uint)resource.Height)) return BadParameter;
        // Viewers look at the resource itself: a flush has nothing to do.
        if (type == Flush) return Completed;
        if (resource.Backing.IsEmpty) return Unspecified;
        return resource.TryFill(part, BinaryPrimitives.ReadUInt64LittleEndian(_request.AsSpan(TransferOffset))) ? Completed : BadParameter;
    }

    private uint TellSize()
    {
        (int width, int height) = display.Preferred;
        Put(InfoWidth, (uint)width);
        Put(InfoHeight, (uint)height);
        Put(InfoEnabled, 1);
        return DisplayInfo;
    }

    private uint TellEdid()
    {
        (int width, int height) = display.Preferred;
        Put(EdidLength, Edid.BlockBytes);
        Edid.Write(_answer.AsSpan(EdidBlob), width, height);
        return EdidFollows;
    }

    private uint Show()
    {
        if (Field(ScanoutNumber) != 0) return BadScanout;
        uint number = Field(ScanoutResource);
        GpuResource? resource = display.Resources.Find(number);
        if (number != 0 && resource is null) return BadResource;
        return display.Show(resource, GpuRectangle.Read(_request.AsSpan(Rectangle)));
    }

    private uint ChangeCursor(bool withPicture)
    {
        if (Field(CursorScanout) != 0) return BadScanout;
        uint number = withPicture ? Field(CursorResource) : 0;
        GpuResource? picture = display.Resources.Find(number);
        if (number != 0 && picture is null) return BadResource;
        if (picture is not null && (picture.Width != GpuCursor.Side || picture.Height != GpuCursor.Side)) return BadParameter;
        display.Cursor.Move(Field(CursorX), Field(CursorY));
        if (picture is not null) display.Cursor.Show(picture);
        else if (withPicture) display.Cursor.Hide();
        return Completed;
    }

    private uint Field(int offset) => BinaryPrimitives.ReadUInt32LittleEndian(_request.AsSpan(offset));

    private void Put(int offset, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(_answer.AsSpan(offset), value);
}
