using System;
using System.Buffers.Binary;
using System.Text;
using Hutch.Block.Graph;
using Hutch.Core.State;
using Hutch.Devices.Storage;
using Hutch.Model.Machine;

namespace Hutch.Devices.Ata;

/// <summary>How a drive is connected.</summary>
internal enum AtaBus
{
    /// <summary>Serial ATA, with queued commands.</summary>
    Serial,

    /// <summary>A cable with two drives.</summary>
    Parallel,
}

/// <summary>What is plugged into a controller: it answers commands at once, or says what its storage is to do for them. Called by the controller's worker, or while the machine is stopped.</summary>
internal abstract class AtaDrive : IDisposable
{
    /// <summary>IDENTIFY word 93: a reset was seen, device 0 is well, the cable has 80 wires (ATA8-ACS §7.16.7.51).</summary>
    private protected const int Cable80 = 0x6001;

    private const int SerialBytes = 20;

    private protected AtaDrive(AtaDriveConfig config, AtaBus bus)
    {
        Bus = bus;
        BootIndex = config.BootIndex;
        Name = config.Id;
        string serial = config.Serial ?? config.Id;
        Serial = serial.Length > SerialBytes ? serial[..SerialBytes] : serial;
    }

    /// <summary>Its name.</summary>
    internal string Name { get; }

    /// <summary>What its bytes are in; null: there is no medium. Owned.</summary>
    internal abstract BlockNode? Node { get; }

    /// <summary>Its place in the order in which firmware tries to boot; null: none.</summary>
    internal int? BootIndex { get; }

    /// <summary>What it shows after a reset: its count register in the low byte, then its three address registers (ATA8-ACS §9.1).</summary>
    internal abstract uint Signature { get; }

    /// <summary>How it is connected.</summary>
    private protected AtaBus Bus { get; }

    /// <summary>Its serial number.</summary>
    private protected string Serial { get; }

    /// <summary>Takes a command: answers it, or sets what storage is to do.</summary>
    internal abstract void Execute(AtaRequest request);

    /// <summary>How many bytes of a programmed transfer go without an interrupt between them.</summary>
    internal abstract int BlockBytesOf(byte command);

    /// <summary>Storage failed a command: makes that its answer.</summary>
    internal abstract void Fail(AtaRequest request);

    /// <summary>A reset of the device.</summary>
    internal abstract void Reset();

    /// <summary>Saves or restores what the device keeps between commands.</summary>
    internal abstract void Exchange(StateFields fields);

    /// <summary>Flushes and closes.</summary>
    public void Dispose()
    {
        if (Node is not null) DiskNodes.Close(Node);
    }

    /// <summary>Answers with data of the drive's own, as much of it as there is room for.</summary>
    private protected static void Answer(AtaRequest request, ReadOnlySpan<byte> data)
    {
        request.IsProgrammedInput = true;
        request.CopyIn(data);
    }

    /// <summary>Puts text into words: two characters in each, the first one in the high byte (ATA8-ACS §3.4.9).</summary>
    private protected static void PutText(Span<byte> identity, int word, int characters, string text)
    {
        Span<byte> ascii = stackalloc byte[characters];
        ascii.Fill((byte)' ');
        Encoding.ASCII.GetBytes(text.AsSpan(0, Math.Min(text.Length, characters)), ascii);
        for (int i = 0; i < characters; i++) identity[(2 * word) + (i ^ 1)] = ascii[i];
    }

    /// <summary>Writes a word.</summary>
    private protected static void Put(Span<byte> identity, int word, int value) => BinaryPrimitives.WriteUInt16LittleEndian(identity[(2 * word)..], (ushort)value);
}
