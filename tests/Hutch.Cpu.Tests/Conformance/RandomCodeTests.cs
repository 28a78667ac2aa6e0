using System;
using System.Globalization;
using System.Threading;
using Hutch.Core.Engine;
using Hutch.Cpu.Interpreter;
using Xunit;

namespace Hutch.Cpu.Tests.Conformance;

/// <summary>Random bytes as code, in every mode: whatever a guest executes, the engine goes on or says that the guest is dead.</summary>
public sealed class RandomCodeTests
{
    private const int Modes = 4, StepsOfOneProgram = 400, ProgramsOfOneGuest = 20;

    [Fact]
    public void Interpreting_random_bytes_never_fails()
    {
        var random = new TestRandom(Seed);
        for (int n = 0; n < Guests; n++)
        {
            using var guest = new ConformanceGuest(new byte[OracleLayout.DataBytes]);
            for (int program = 0; program < ProgramsOfOneGuest; program++)
            {
                Place(guest, random, random.Below(Modes));
                StepResult result = StepResult.Continue;
                for (int step = 0; step < StepsOfOneProgram && result == StepResult.Continue; step++) result = guest.Vcpu.Interpreter.Step();
                Assert.NotEqual(StepResult.Failed, result);
                if (result == StepResult.TripleFault) break;
            }
        }
    }

    [Fact]
    public void Translating_random_bytes_never_fails()
    {
        var random = new TestRandom(Seed + 1);
        for (int n = 0; n < Guests; n++)
        {
            using var guest = new ConformanceGuest(new byte[OracleLayout.DataBytes]);
            using var stopper = new Stopper(guest);
            for (int program = 0; program < ProgramsOfOneGuest; program++)
            {
                Place(guest, random, random.Below(2));
                VcpuStop stop = guest.Vcpu.Run(guest);
                Assert.True(stop != VcpuStop.Failed, guest.Vcpu.Failure?.Sentence);
                if (stop == VcpuStop.TripleFault) break;
            }
        }
    }

    private static ReadOnlySpan<byte> RareBytes => [0x0f, 0xc4, 0xc5, 0x66, 0xf3, 0x48, 0x38];

    private static ulong Seed => Number("HUTCH_CONFORMANCE_SEED", 1);

    private static int Guests => (int)Number("HUTCH_CONFORMANCE_ROUNDS", 12);

    private static void Place(ConformanceGuest guest, TestRandom random, int mode)
    {
        var state = new TestVector { Rip = OracleLayout.Code };
        StateGenerator.Fill(random, state, strict: true);
        var page = new byte[4096];
        for (int at = 0; at < page.Length; at += 8) BitConverter.TryWriteBytes(page.AsSpan(at), random.Next());
        // Some bytes that make rarer opcodes less rare.
        for (int n = 0; n < 200; n++) page[random.Below(page.Length)] = RareBytes[random.Below(RareBytes.Length)];
        guest.Place(page, mode, state);
    }

    private static ulong Number(string variable, ulong otherwise) =>
        ulong.TryParse(Environment.GetEnvironmentVariable(variable), CultureInfo.InvariantCulture, out ulong value) ? value : otherwise;

    /// <summary>Random code may loop for ever, so runs are stopped again and again.</summary>
    private sealed class Stopper : IDisposable
    {
        private readonly Thread _thread;
        private volatile bool _done;

        public Stopper(ConformanceGuest guest)
        {
            _thread = new Thread(() =>
            {
                while (!_done)
                {
                    Thread.Sleep(1);
                    guest.Vcpu.RequestStop();
                }
            });
            _thread.Start();
        }

        public void Dispose()
        {
            _done = true;
            _thread.Join();
        }
    }
}
