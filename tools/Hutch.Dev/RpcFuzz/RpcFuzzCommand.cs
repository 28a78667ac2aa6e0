using System;
using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.IO;
using Hutch.Daemon.Libvirt.Procedures;
using Hutch.Daemon.Libvirt.Rpc;
using Hutch.Host.Time;
using Hutch.Management.Events;

namespace Hutch.Dev.RpcFuzz;

/// <summary>
/// The verb <c>./dev fuzz rpc</c>: so many packets of clients that do not speak libvirt's protocol well. A defect is an exception that is no answer, bytes that are no packets, or more answers
/// than questions.
/// </summary>
internal static class RpcFuzzCommand
{
    private const int ProgressStories = 20_000;

    /// <summary>Returns the exit status.</summary>
    internal static int Run(int packets, int seed, TextWriter output)
    {
        output.WriteLine($"{packets} packets, seed {seed}; './dev fuzz rpc {packets} {seed}' does the same again");
        ProcedureTable procedures = DaemonProcedures.Create(new FuzzDomains(), new EventHub(), "qemu:///system");
        int sent = 0, answers = 0, defects = 0, stories = 0;
        while (sent < packets)
        {
            RpcStory story = new(seed + stories++, procedures.Handlers);
            sent += story.Packets;
            (int given, string? defect) = Tell(story, procedures);
            answers += given;
            if (defect is not null)
            {
                defects++;
                output.WriteLine($"DEFECT in story {seed + stories - 1}; './dev fuzz rpc 1 {seed + stories - 1}' does it again: {defect}");
            }
            if (stories % ProgressStories == 0) output.WriteLine($"{sent} packets, {answers} answers, {defects} defects");
        }
        output.WriteLine($"{sent} packets of {stories} clients, {answers} answers, {defects} defects");
        return defects == 0 ? 0 : 1;
    }

    private static (int Answers, string? Defect) Tell(RpcStory story, ProcedureTable procedures)
    {
        ConcurrentQueue<string> log = new();
        using FuzzStream stream = new(story.Bytes);
        using RpcConnection connection = new(stream, new ClientIdentity(1000, 1), isReadOnly: false, procedures, new MonotonicClock(), log.Enqueue);
        connection.RunAsync().GetAwaiter().GetResult();
        foreach (string sentence in log)
            if (sentence.Contains("defect of hutchd", StringComparison.Ordinal)) return (0, sentence);
        int answers = 0;
        for (ReadOnlySpan<byte> rest = stream.Received; rest.Length != 0; answers++)
        {
            if (rest.Length < PacketHeader.Bytes) return (answers, $"{rest.Length} bytes that are no packet");
            int length = BinaryPrimitives.ReadInt32BigEndian(rest);
            if (length < PacketHeader.Bytes || length > rest.Length) return (answers, $"a packet of {length} bytes, of which {rest.Length} were sent");
            rest = rest[length..];
        }
        return (answers, answers > story.Bytes.Length / PacketHeader.Bytes ? $"{answers} answers to {story.Packets} packets" : null);
    }
}
