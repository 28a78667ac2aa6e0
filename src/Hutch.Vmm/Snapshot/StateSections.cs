using System;
using System.Buffers;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Text;
using Hutch.Core.State;

namespace Hutch.Vmm.Snapshot;

/// <summary>The named sections of a state: bodies as <see cref="StateWriter"/> makes them, or plain bytes, each with a checksum of its own.</summary>
internal sealed class StateSections
{
    private const int MostSections = 4096, MostNameBytes = 1024;

    private readonly Dictionary<string, ReadOnlyMemory<byte>> _bodies = [];
    private readonly List<string> _names = [];

    /// <summary>The names in the order of the file.</summary>
    internal IReadOnlyList<string> Names => _names;

    /// <summary>Adds a section that <paramref name="exchange"/> fills.</summary>
    internal void Save(string name, Action<StateFields> exchange)
    {
        StateWriter writer = new(name);
        exchange(writer);
        Add(name, writer.Body.ToArray());
    }

    /// <summary>Adds a section of plain bytes.</summary>
    internal void Add(string name, ReadOnlyMemory<byte> body)
    {
        _bodies.Add(name, body);
        _names.Add(name);
    }

    /// <summary>Restores from a section. Throws <see cref="StateException"/>.</summary>
    internal void Restore(string name, Action<StateFields> exchange) => exchange(new StateReader(name, Find(name)));

    /// <summary>A section's bytes. Throws <see cref="StateException"/> when it is missing.</summary>
    internal ReadOnlyMemory<byte> Find(string name) => _bodies.TryGetValue(name, out ReadOnlyMemory<byte> body)
        ? body : throw new StateException($"The saved state has nothing about {name}; restore it with the version of hutch that saved it.");

    /// <summary>All sections as they are in the file.</summary>
    internal byte[] ToBytes()
    {
        ArrayBufferWriter<byte> file = new();
        foreach (string name in _names)
        {
            byte[] text = Encoding.UTF8.GetBytes(name);
            ReadOnlySpan<byte> body = _bodies[name].Span;
            Span<byte> header = file.GetSpan(text.Length + 10);
            BinaryPrimitives.WriteUInt16LittleEndian(header, (ushort)text.Length);
            text.CopyTo(header[2..]);
            BinaryPrimitives.WriteInt32LittleEndian(header[(text.Length + 2)..], body.Length);
            BinaryPrimitives.WriteUInt32LittleEndian(header[(text.Length + 6)..], StateFileLayout.Checksum(body));
            file.Advance(text.Length + 10);
            file.Write(body);
        }
        return file.WrittenSpan.ToArray();
    }

    /// <summary>Reads the sections of a file. Throws <see cref="StateException"/>.</summary>
    internal static StateSections Read(ReadOnlyMemory<byte> file)
    {
        StateSections sections = new();
        while (!file.IsEmpty)
        {
            ReadOnlySpan<byte> bytes = file.Span;
            int nameLength = bytes.Length < 2 ? int.MaxValue : BinaryPrimitives.ReadUInt16LittleEndian(bytes);
            if (nameLength > MostNameBytes || bytes.Length < nameLength + 10 || sections._names.Count == MostSections) throw Damaged("a section is cut off");
            string name = Encoding.UTF8.GetString(bytes.Slice(2, nameLength));
            int length = BinaryPrimitives.ReadInt32LittleEndian(bytes[(nameLength + 2)..]);
            uint sum = BinaryPrimitives.ReadUInt32LittleEndian(bytes[(nameLength + 6)..]);
            file = file[(nameLength + 10)..];
            if (length < 0 || length > file.Length) throw Damaged($"the section {name} is cut off");
            ReadOnlyMemory<byte> body = file[..length];
            if (StateFileLayout.Checksum(body.Span) != sum) throw Damaged($"the section {name} has a wrong checksum");
            if (sections._bodies.ContainsKey(name)) throw Damaged($"the section {name} is there twice");
            sections.Add(name, body);
            file = file[length..];
        }
        return sections;
    }

    private static StateException Damaged(string how) => new($"The saved state is damaged: {how}.");
}
