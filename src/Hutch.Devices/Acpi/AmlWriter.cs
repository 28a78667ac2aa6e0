using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Text;

namespace Hutch.Devices.Acpi;

/// <summary>
/// Writes ACPI Machine Language (ACPI 6.5 §20.2), one method for each construct that the tables use. Blocks are closed by disposing
/// what opened them; operands of an operator are the constructs that are written next.
/// </summary>
internal sealed class AmlWriter
{
    private const byte ExtendedPrefix = 0x5b;

    private readonly List<byte> _bytes = [];

    /// <summary>What was written, as a copy.</summary>
    public byte[] ToArray() => [.. _bytes];

    /// <summary>Scope (Name) { … }</summary>
    public Block Scope(string name) => OpenNamed([0x10], name);

    /// <summary>Device (Name) { … }</summary>
    public Block Device(string name) => OpenNamed([ExtendedPrefix, 0x82], name);

    /// <summary>Method (Name, arguments, NotSerialized) { … }</summary>
    public Block Method(string name, int arguments)
    {
        Block block = OpenNamed([0x14], name);
        _bytes.Add((byte)arguments);
        return block;
    }

    /// <summary>If (operand) { … }; the operand comes first inside the block.</summary>
    public Block If() => Open([0xa0]);

    /// <summary>Else { … }, directly after an If.</summary>
    public Block Else() => Open([0xa1]);

    /// <summary>OperationRegion (name, SystemIO, port, length) (ACPI 6.5 §19.6.100).</summary>
    public void PortRegion(string name, ushort port, ushort lengthBytes)
    {
        _bytes.AddRange([ExtendedPrefix, 0x80]);
        Path(name);
        _bytes.Add(0x01);
        Integer(port);
        Integer(lengthBytes);
    }

    /// <summary>Field (region, DWordAcc, NoLock, WriteAsZeros) with fields of 32 bits, one behind the other.</summary>
    public void DoubleWords(string region, params ReadOnlySpan<string> fields)
    {
        using (OpenNamed([ExtendedPrefix, 0x81], region))
        {
            _bytes.Add(0x43);
            foreach (string field in fields)
            {
                Path(field);
                _bytes.Add(32);
            }
        }
    }

    /// <summary>Notify (object, value): both are written next.</summary>
    public AmlWriter Notify() => Op(0x86);

    /// <summary>Name (name, …): the value is written next.</summary>
    public AmlWriter Name(string name)
    {
        _bytes.Add(0x08);
        return Path(name);
    }

    /// <summary>Package (count) { … }: the elements are written inside.</summary>
    public Block Package(int count)
    {
        Block block = Open([0x12]);
        _bytes.Add((byte)count);
        return block;
    }

    /// <summary>Package of integers.</summary>
    public void IntegerPackage(params ReadOnlySpan<ulong> elements)
    {
        using (Package(elements.Length))
            foreach (ulong element in elements) Integer(element);
    }

    /// <summary>Buffer with these bytes.</summary>
    public void Buffer(ReadOnlySpan<byte> bytes)
    {
        using (Open([0x11]))
        {
            Integer((ulong)bytes.Length);
            _bytes.AddRange(bytes);
        }
    }

    /// <summary>An integer, in its shortest encoding.</summary>
    public AmlWriter Integer(ulong value)
    {
        switch (value)
        {
            case 0: _bytes.Add(0x00); break;
            case 1: _bytes.Add(0x01); break;
            case <= byte.MaxValue: Prefixed(0x0a, value, 1); break;
            case <= ushort.MaxValue: Prefixed(0x0b, value, 2); break;
            case <= uint.MaxValue: Prefixed(0x0c, value, 4); break;
            default: Prefixed(0x0e, value, 8); break;
        }
        return this;
    }

    /// <summary>A string of printable ASCII.</summary>
    public AmlWriter String(string text)
    {
        _bytes.Add(0x0d);
        _bytes.AddRange(Encoding.ASCII.GetBytes(text));
        _bytes.Add(0);
        return this;
    }

    /// <summary>EISAID ("PNP0A08"): three letters of five bits and four hexadecimal digits, big-endian (ACPI 6.5 §19.6.36).</summary>
    public AmlWriter EisaId(string id)
    {
        uint value = (uint)(id[0] - '@') << 26 | (uint)(id[1] - '@') << 21 | (uint)(id[2] - '@') << 16
            | ushort.Parse(id.AsSpan(3), System.Globalization.NumberStyles.HexNumber, System.Globalization.CultureInfo.InvariantCulture);
        // Always a double word: a shorter integer would be another identifier to some interpreters.
        Prefixed(0x0c, BinaryPrimitives.ReverseEndianness(value), 4);
        return this;
    }

    /// <summary>ToUUID ("…"): a 16-byte buffer in the mixed-endian order of ACPI 6.5 §19.6.142, which is that of <see cref="Guid"/>.</summary>
    public AmlWriter Uuid(Guid uuid)
    {
        Buffer(uuid.ToByteArray());
        return this;
    }

    /// <summary>A reference to a named object.</summary>
    public AmlWriter Path(string name)
    {
        if (name.StartsWith('\\'))
        {
            _bytes.Add((byte)'\\');
            name = name[1..];
        }
        string[] segments = name.Split('.');
        if (segments.Length == 2) _bytes.Add(0x2e);
        if (segments.Length > 2)
        {
            _bytes.Add(0x2f);
            _bytes.Add((byte)segments.Length);
        }
        foreach (string segment in segments) _bytes.AddRange(Encoding.ASCII.GetBytes(segment.PadRight(4, '_')));
        return this;
    }

    /// <summary>Local variable 0 to 7.</summary>
    public AmlWriter Local(int number) => Op((byte)(0x60 + number));

    /// <summary>Argument 0 to 6.</summary>
    public AmlWriter Arg(int number) => Op((byte)(0x68 + number));

    /// <summary>Store (source, target).</summary>
    public AmlWriter Store() => Op(0x70);

    /// <summary>And (operand, operand, target).</summary>
    public AmlWriter And() => Op(0x7b);

    /// <summary>Or (operand, operand, target).</summary>
    public AmlWriter Or() => Op(0x7d);

    /// <summary>ShiftLeft (operand, count, target).</summary>
    public AmlWriter ShiftLeft() => Op(0x79);

    /// <summary>LNot (operand).</summary>
    public AmlWriter Not() => Op(0x92);

    /// <summary>LEqual (operand, operand).</summary>
    public AmlWriter Equal() => Op(0x93);

    /// <summary>Return (operand).</summary>
    public AmlWriter Return() => Op(0xa4);

    /// <summary>CreateDWordField (buffer, byte index, name).</summary>
    public AmlWriter CreateDWordField() => Op(0x8a);

    private AmlWriter Op(byte opcode)
    {
        _bytes.Add(opcode);
        return this;
    }

    private void Prefixed(byte prefix, ulong value, int lengthBytes)
    {
        _bytes.Add(prefix);
        for (int i = 0; i < lengthBytes; i++) _bytes.Add((byte)(value >> (8 * i)));
    }

    private Block OpenNamed(ReadOnlySpan<byte> opcode, string name)
    {
        Block block = Open(opcode);
        Path(name);
        return block;
    }

    private Block Open(ReadOnlySpan<byte> opcode)
    {
        _bytes.AddRange(opcode);
        return new Block(this, _bytes.Count);
    }

    /// <summary>Puts PkgLength before a finished block (ACPI 6.5 §20.2.4); it counts itself.</summary>
    private void Close(int start)
    {
        int content = _bytes.Count - start;
        if (content + 1 < 1 << 6)
        {
            _bytes.Insert(start, (byte)(content + 1));
            return;
        }
        int extra = content + 2 < 1 << 12 ? 1 : content + 3 < 1 << 20 ? 2 : 3;
        int length = content + 1 + extra;
        Span<byte> encoded = stackalloc byte[4];
        encoded[0] = (byte)(extra << 6 | (length & 15));
        for (int i = 1; i <= extra; i++) encoded[i] = (byte)(length >> (8 * i - 4));
        _bytes.InsertRange(start, encoded[..(1 + extra)]);
    }

    /// <summary>An open block; disposing it writes its length.</summary>
    internal readonly ref struct Block(AmlWriter writer, int start)
    {
        /// <summary>Closes the block.</summary>
        public void Dispose() => writer.Close(start);
    }
}
