using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Runtime.InteropServices;
using System.Text;

namespace Hutch.Core.State;

/// <summary>
/// Puts saved fields into a part of the machine. The bytes may be anybody's: every length is checked, and what does not fit throws
/// <see cref="StateException"/> and nothing else.
/// </summary>
public sealed class StateReader : StateFields
{
    private readonly Dictionary<string, (byte Kind, ReadOnlyMemory<byte> Value)> _fields = [];
    private readonly int _depth;

    /// <summary>Reads the names and places of all fields.</summary>
    public StateReader(string owner, ReadOnlyMemory<byte> body) : this(owner, body, 1) { }

    private StateReader(string owner, ReadOnlyMemory<byte> body, int depth) : base(owner)
    {
        _depth = depth;
        if (depth > StateFormat.Deepest) throw Damaged("its parts are nested too deep");
        while (!body.IsEmpty)
        {
            ReadOnlySpan<byte> bytes = body.Span;
            int nameLength = bytes[0];
            if (nameLength == 0 || bytes.Length < nameLength + StateFormat.HeaderBytes) throw Damaged("a field is cut off");
            string name = Encoding.ASCII.GetString(bytes.Slice(1, nameLength));
            byte kind = bytes[nameLength + 1];
            int length = BinaryPrimitives.ReadInt32LittleEndian(bytes[(nameLength + 2)..]);
            body = body[(nameLength + StateFormat.HeaderBytes)..];
            if (length < 0 || length > body.Length) throw Damaged($"the field '{name}' is cut off");
            if (!_fields.TryAdd(name, (kind, body[..length]))) throw Damaged($"the field '{name}' is there twice");
            body = body[length..];
        }
    }

    /// <inheritdoc/>
    public override bool IsRestoring => true;

    /// <summary>The names and kinds of all fields, groups opened: <c>name kind</c>, for the schema.</summary>
    public IEnumerable<string> Describe()
    {
        foreach ((string name, (byte kind, ReadOnlyMemory<byte> value)) in _fields)
        {
            yield return $"{Owner}/{name} {kind switch { StateFormat.Number => "number", StateFormat.Bytes => "bytes", StateFormat.Numbers => "numbers", _ => "group" }}";
            if (kind != StateFormat.Group) continue;
            foreach (string inner in new StateReader($"{Owner}/{name}", value, _depth + 1).Describe()) yield return inner;
        }
    }

    /// <inheritdoc/>
    public override void Bytes(string name, Span<byte> value)
    {
        ReadOnlySpan<byte> saved = Find(name, StateFormat.Bytes).Span;
        Require(saved.Length == value.Length, name);
        saved.CopyTo(value);
    }

    /// <inheritdoc/>
    public override byte[] Blob(string name, byte[] value, int most)
    {
        ReadOnlyMemory<byte> saved = Find(name, StateFormat.Bytes);
        Require(saved.Length <= most, name);
        return saved.ToArray();
    }

    /// <inheritdoc/>
    public override void Numbers(string name, Span<ulong> value)
    {
        ReadOnlySpan<byte> saved = Find(name, StateFormat.Numbers).Span;
        Require(saved.Length == value.Length * sizeof(ulong), name);
        saved.CopyTo(MemoryMarshal.AsBytes(value));
    }

    /// <inheritdoc/>
    public override void Group(string name, Action<StateFields> exchange) =>
        exchange(new StateReader($"{Owner}/{name}", Find(name, StateFormat.Group), _depth + 1));

    /// <inheritdoc/>
    public override bool Has(string name) => _fields.ContainsKey(name);

    private protected override void Number(string name, ref ulong value)
    {
        ReadOnlyMemory<byte> saved = Find(name, StateFormat.Number);
        Require(saved.Length == sizeof(ulong), name);
        value = BinaryPrimitives.ReadUInt64LittleEndian(saved.Span);
    }

    private ReadOnlyMemory<byte> Find(string name, byte kind)
    {
        if (!_fields.TryGetValue(name, out (byte Kind, ReadOnlyMemory<byte> Value) field))
            throw new StateException($"The saved state of {Owner} lacks '{name}': another version of hutch saved it; restore it with that version.");
        Require(field.Kind == kind, name);
        return field.Value;
    }

    private StateException Damaged(string how) => new($"The saved state of {Owner} is damaged: {how}.");
}
