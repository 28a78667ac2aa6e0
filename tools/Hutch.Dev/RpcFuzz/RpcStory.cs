using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Linq;
using Hutch.Daemon.Libvirt.Rpc;
using Hutch.Daemon.Libvirt.Xdr;
using Hutch.Management.Domains;

namespace Hutch.Dev.RpcFuzz;

/// <summary>What one client sends: calls that nearly make sense, of which some are damaged. The same number tells the same story.</summary>
internal sealed class RpcStory
{
    private const int MostPackets = 20;

    private readonly Random _random;
    private readonly ProcedureTable.Handler[] _procedures;
    private readonly List<byte> _bytes = [];

    internal RpcStory(int seed, IEnumerable<ProcedureTable.Handler> procedures)
    {
        _random = new Random(seed);
        _procedures = [.. procedures.OrderBy(handler => handler.Number)];
        if (_random.Next(8) != 0) Add(new PacketHeader(0x20008086, 1, 1, PacketType.Call, 0, PacketStatus.Ok), [0, 0, 0, 0, 0, 0, 0, (byte)_random.Next(2)]);
        for (int left = 1 + _random.Next(MostPackets); left > 0; left--) AddCall();
    }

    /// <summary>Packets that it sent, as far as they are any.</summary>
    internal int Packets { get; private set; }

    internal byte[] Bytes => [.. _bytes];

    private void AddCall()
    {
        ProcedureTable.Handler procedure = _procedures[_random.Next(_procedures.Length)];
        PacketHeader header = new(procedure.Program, 1, procedure.Number, PacketType.Call, (uint)_random.Next(), PacketStatus.Ok);
        if (_random.Next(6) == 0) header = Damage(header);
        byte[] arguments = Arguments();
        for (int damage = _random.Next(-6, 4); damage > 0 && arguments.Length != 0; damage--) arguments[_random.Next(arguments.Length)] = (byte)_random.Next(256);
        if (_random.Next(10) == 0) arguments = arguments[.._random.Next(arguments.Length + 1)];
        Add(header, arguments);
        // A length that is wrong ends the connection: seldom.
        if (_random.Next(200) == 0) _bytes[^(1 + _random.Next(Math.Min(_bytes.Count, 64)))] ^= (byte)(1 << _random.Next(8));
    }

    // Words, names and domains, of which most procedures' arguments are made.
    private byte[] Arguments()
    {
        XdrWriter xdr = new();
        if (_random.Next(4) != 0)
        {
            Domain domain = FuzzDomains.All[_random.Next(FuzzDomains.All.Count)];
            xdr.WriteString(_random.Next(8) == 0 ? new string('x', _random.Next(300)) : domain.Name);
            xdr.WriteUuid(_random.Next(8) == 0 ? Guid.Empty : domain.Uuid);
            xdr.WriteInt32(domain.Id);
        }
        for (int words = _random.Next(6); words > 0; words--)
        {
            if (_random.Next(8) == 0) xdr.WriteBytes(new byte[_random.Next(3000)]);
            else xdr.WriteInt32(_random.Next(4) switch { 0 => _random.Next(), 1 => -_random.Next(), _ => _random.Next(20) });
        }
        return xdr.Written.ToArray();
    }

    private PacketHeader Damage(PacketHeader header) => _random.Next(6) switch
    {
        0 => header with { Program = (uint)_random.Next() },
        1 => header with { Program = 0x6b656570, Procedure = _random.Next(4), Type = PacketType.Message },
        2 => header with { Version = (uint)_random.Next(3) },
        3 => header with { Procedure = _random.Next(-10, 500) },
        4 => header with { Type = (PacketType)_random.Next(-1, 9) },
        _ => header with { Status = (PacketStatus)_random.Next(-1, 4) },
    };

    private void Add(PacketHeader header, byte[] payload)
    {
        byte[] packet = header.Frame(payload);
        if (_random.Next(300) == 0) BinaryPrimitives.WriteInt32BigEndian(packet, _random.Next(-5, 100_000));
        _bytes.AddRange(packet);
        Packets++;
    }
}
