using System;
using System.Collections.Generic;

namespace Hutch.Cpu.Runtime;

/// <summary>
/// Records what the interpreter writes to RAM while it runs ahead in lock-step mode, so that it can be taken back and compared later.
/// A checking mode: it allocates.
/// </summary>
internal sealed unsafe class WriteJournal
{
    private readonly List<Entry> _entries = [];

    /// <summary>Writes are recorded and device accesses refused.</summary>
    public bool Active { get; private set; }

    /// <summary>A device was touched: what follows means nothing.</summary>
    public bool Spoiled { get; set; }

    /// <summary>Begins an empty journal.</summary>
    public void Begin()
    {
        _entries.Clear();
        Active = true;
        Spoiled = false;
    }

    /// <summary>Called before bytes at a host address of guest RAM are written.</summary>
    public void Before(byte* host, int size, int step) => _entries.Add(new Entry(step, (nint)host, new ReadOnlySpan<byte>(host, size).ToArray()));

    /// <summary>Takes every write back and stops recording; what was written stays in the journal.</summary>
    public void RollBack()
    {
        for (int i = 0; i < _entries.Count; i++) _entries[i].Written = new ReadOnlySpan<byte>((byte*)_entries[i].Host, _entries[i].Old.Length).ToArray();
        for (int i = _entries.Count - 1; i >= 0; i--)
        {
            // What a later entry saw as old is what this one wrote.
            Span<byte> target = new((byte*)_entries[i].Host, _entries[i].Old.Length);
            _entries[i].Written = target.ToArray();
            _entries[i].Old.CopyTo(target);
        }
        Active = false;
    }

    /// <summary>Whether RAM now holds what the writes of steps 0 to <paramref name="lastStep"/> left.</summary>
    public bool Matches(int lastStep, out string difference)
    {
        var expected = new Dictionary<nint, byte>();
        foreach (Entry entry in _entries)
            if (entry.Step <= lastStep)
                for (int i = 0; i < entry.Written.Length; i++) expected[entry.Host + i] = entry.Written[i];
        foreach ((nint host, byte value) in expected)
            if (*(byte*)host != value)
            {
                string writers = "";
                foreach (Entry entry in _entries)
                    if (host >= entry.Host && host < entry.Host + entry.Old.Length) writers += $" step {entry.Step} ({entry.Old.Length} bytes)";
                difference = $"RAM byte at page offset {host & 0xfff:x}, written in{writers}: interpreter {value:x2}, translator {*(byte*)host:x2}";
                return false;
            }
        difference = "";
        return true;
    }

    private sealed class Entry(int step, nint host, byte[] old)
    {
        public int Step { get; } = step;

        public nint Host { get; } = host;

        public byte[] Old { get; } = old;

        public byte[] Written { get; set; } = [];
    }
}
