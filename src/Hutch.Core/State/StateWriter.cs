using System;
using System.Buffers;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Runtime.InteropServices;
using System.Text;

namespace Hutch.Core.State;

/// <summary>Takes the fields of one part of the machine out of it (<see cref="StateFormat"/>).</summary>
public sealed class StateWriter : StateFields
{
    private readonly ArrayBufferWriter<byte> _body = new();
    private readonly HashSet<string> _names = [];

    /// <summary>Begins with no field.</summary>
    public StateWriter(string owner) : base(owner) { }

    /// <inheritdoc/>
    public override bool IsRestoring => false;

    /// <summary>The fields as they are written so far.</summary>
    public ReadOnlySpan<byte> Body => _body.WrittenSpan;

    /// <inheritdoc/>
    public override void Bytes(string name, Span<byte> value) => Field(name, StateFormat.Bytes, value);

    /// <inheritdoc/>
    public override byte[] Blob(string name, byte[] value, int most)
    {
        Field(name, StateFormat.Bytes, value);
        return value;
    }

    /// <inheritdoc/>
    public override void Numbers(string name, Span<ulong> value) => Field(name, StateFormat.Numbers, MemoryMarshal.AsBytes(value));

    /// <inheritdoc/>
    public override void Group(string name, Action<StateFields> exchange)
    {
        StateWriter inner = new($"{Owner}/{name}");
        exchange(inner);
        Field(name, StateFormat.Group, inner.Body);
    }

    /// <inheritdoc/>
    public override bool Has(string name) => true;

    private protected override void Number(string name, ref ulong value)
    {
        Span<byte> bytes = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, value);
        Field(name, StateFormat.Number, bytes);
    }

    private void Field(string name, byte kind, ReadOnlySpan<byte> value)
    {
        if (!_names.Add(name) || name.Length is 0 or > byte.MaxValue) throw new ArgumentException($"{Owner} cannot have a second field '{name}'.", nameof(name));
        Span<byte> header = _body.GetSpan(name.Length + StateFormat.HeaderBytes);
        header[0] = (byte)name.Length;
        Encoding.ASCII.GetBytes(name, header[1..]);
        header[name.Length + 1] = kind;
        BinaryPrimitives.WriteInt32LittleEndian(header[(name.Length + 2)..], value.Length);
        _body.Advance(name.Length + StateFormat.HeaderBytes);
        _body.Write(value);
    }
}
