using System;
using System.Buffers.Binary;

namespace Hutch.Tests.Devices.Virtio;

/// <summary>A guest's driver of the GPU device: makes commands (virtio 1.2 §5.7.6) and waits for their answers.</summary>
internal sealed class GpuClient(TestMachine machine, VirtioDriver driver)
{
    internal const uint Ok = 0x1100, Unspecified = 0x1200, OutOfMemory = 0x1201, BadScanout = 0x1202, BadResource = 0x1203, BadParameter = 0x1205;
    internal const int Control = 0, Cursor = 1, AnswerBytes = 1056;

    private const ulong Request = 0x20_0000, Answer = 0x30_0000;

    /// <summary>The last answer, as long as the device said.</summary>
    internal byte[] Last { get; private set; } = [];

    /// <summary>Sends a command: its type, and the words behind the header. Returns the answer's type.</summary>
    internal uint Ask(uint type, params uint[] words) => Send(Control, Command(type, 0, 0, words));

    /// <summary>The same for the cursor queue.</summary>
    internal uint AskCursor(uint type, params uint[] words) => Send(Cursor, Command(type, 0, 0, words));

    /// <summary>Sends bytes, and takes up to so many back. Returns the answer's type, 0 where there is none.</summary>
    internal uint Send(int queue, byte[] command, int room = AnswerBytes)
    {
        for (int i = 0; i < command.Length; i += 8)
        {
            byte[] word = new byte[8];
            command.AsSpan(i, Math.Min(8, command.Length - i)).CopyTo(word);
            machine.Memory.TryWrite(Request + (ulong)i, BitConverter.ToUInt64(word));
        }
        for (ulong i = 0; i < AnswerBytes; i += 8) machine.Memory.TryWrite(Answer + i, ulong.MaxValue);
        if (room == 0) driver.Submit(queue, (Request, (uint)command.Length, false));
        else driver.Submit(queue, (Request, (uint)command.Length, false), (Answer, (uint)room, true));
        Last = new byte[driver.WaitUsed(queue)];
        for (int i = 0; i < Last.Length; i++)
        {
            machine.Memory.TryRead(Answer + (ulong)i, out byte one);
            Last[i] = one;
        }
        return Last.Length < 4 ? 0 : Word(0);
    }

    /// <summary>A command's bytes.</summary>
    internal static byte[] Command(uint type, uint flags, ulong fence, params uint[] words)
    {
        byte[] bytes = new byte[24 + (4 * words.Length)];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, type);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(4), flags);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(8), fence);
        for (int i = 0; i < words.Length; i++) BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(24 + (4 * i)), words[i]);
        return bytes;
    }

    /// <summary>A word of the last answer.</summary>
    internal uint Word(int offset) => BinaryPrimitives.ReadUInt32LittleEndian(Last.AsSpan(offset));

    internal uint Create(uint id, uint format, uint width, uint height) => Ask(0x101, id, format, width, height);

    internal uint Unreference(uint id) => Ask(0x102, id, 0);

    internal uint SetScanout(uint scanout, uint id, uint x, uint y, uint width, uint height) => Ask(0x103, x, y, width, height, scanout, id);

    internal uint Flush(uint id, uint x, uint y, uint width, uint height) => Ask(0x104, x, y, width, height, id, 0);

    internal uint Transfer(uint id, ulong offset, uint x, uint y, uint width, uint height) => Ask(0x105, x, y, width, height, (uint)offset, (uint)(offset >> 32), id, 0);

    /// <summary>Attaches ranges of memory below 4 GiB.</summary>
    internal uint Attach(uint id, params (uint Address, uint Length)[] ranges)
    {
        uint[] words = new uint[2 + (4 * ranges.Length)];
        (words[0], words[1]) = (id, (uint)ranges.Length);
        for (int i = 0; i < ranges.Length; i++) (words[2 + (4 * i)], words[4 + (4 * i)]) = ranges[i];
        return Ask(0x106, words);
    }

    internal uint Detach(uint id) => Ask(0x107, id, 0);

    internal uint UpdateCursor(uint scanout, uint x, uint y, uint id) => AskCursor(0x300, scanout, x, y, 0, id, 0, 0, 0);

    internal uint MoveCursor(uint scanout, uint x, uint y) => AskCursor(0x301, scanout, x, y, 0, 0, 0, 0, 0);
}
