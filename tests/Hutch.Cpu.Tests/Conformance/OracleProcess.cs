using System;
using System.Diagnostics;
using System.IO;
using System.IO.MemoryMappedFiles;

namespace Hutch.Cpu.Tests.Conformance;

/// <summary>Runs batches of vectors on the host CPU in a child process (see <see cref="OracleProgram"/>).</summary>
internal sealed unsafe class OracleProcess : IDisposable
{
    private readonly string _directory;
    private readonly MemoryMappedFile _file;
    private readonly MemoryMappedViewAccessor _view;
    private readonly Process _process;
    private readonly byte* _shared;

    /// <param name="template">Contents of the data pages before every vector.</param>
    public OracleProcess(ReadOnlySpan<byte> template)
    {
        _directory = Directory.CreateTempSubdirectory("hutch-oracle").FullName;
        string program = Path.Combine(_directory, "oracle"), shared = Path.Combine(_directory, "shared");
        File.WriteAllBytes(program, OracleProgram.Build());
        File.SetUnixFileMode(program, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        _file = MemoryMappedFile.CreateFromFile(shared, FileMode.CreateNew, null, OracleLayout.SharedBytes);
        _view = _file.CreateViewAccessor();
        _view.SafeMemoryMappedViewHandle.AcquirePointer(ref _shared);
        template.CopyTo(new Span<byte>(_shared + OracleLayout.Template, OracleLayout.DataBytes));
        *(long*)(_shared + OracleLayout.Index) = -1;
        var start = new ProcessStartInfo(program, [shared]) { RedirectStandardInput = true, RedirectStandardOutput = true };
        _process = Process.Start(start)!;
        AwaitBatch();
    }

    /// <summary>Runs up to <see cref="OracleLayout.MaxVectors"/> vectors.</summary>
    public void Run(ReadOnlySpan<TestVector> vectors)
    {
        Start(vectors);
        AwaitBatch();
    }

    /// <summary>Starts a batch; <see cref="AwaitBatch"/> must follow.</summary>
    public void Start(ReadOnlySpan<TestVector> vectors)
    {
        for (int i = 0; i < vectors.Length; i++) Store(vectors[i], _shared + OracleLayout.Vectors + i * OracleLayout.VectorBytes);
        *(long*)(_shared + OracleLayout.Count) = vectors.Length;
        _process.StandardInput.BaseStream.WriteByte(1);
        _process.StandardInput.BaseStream.Flush();
    }

    /// <summary>Waits until the oracle is idle.</summary>
    public void AwaitBatch()
    {
        var one = new byte[1];
        System.Threading.Tasks.Task<int> read = _process.StandardOutput.BaseStream.ReadAsync(one, 0, 1);
        if (read.Wait(TimeSpan.FromSeconds(30)) && read.Result == 1) return;
        byte* vector = _shared + OracleLayout.Vectors + *(long*)(_shared + OracleLayout.Index) * OracleLayout.VectorBytes;
        string code = Convert.ToHexString(new ReadOnlySpan<byte>(vector + OracleLayout.Bytes, 16));
        _process.Kill();
        throw new InvalidOperationException($"The oracle died or hangs at vector {*(long*)(_shared + OracleLayout.Index)}: {code}.");
    }

    /// <summary>The result of a vector of the last batch.</summary>
    public void Read(int index, TestOutcome outcome)
    {
        byte* result = _shared + OracleLayout.Results + index * OracleLayout.ResultBytes;
        ulong* registers = (ulong*)result;
        for (int n = 0; n < 16; n++) outcome.Gpr[n] = registers[OracleLayout.RegisterOrder[n]];
        outcome.Rip = registers[OracleLayout.RipRegister];
        outcome.Flags = registers[OracleLayout.FlagsRegister];
        outcome.Error = *(ulong*)(result + OracleLayout.ResultError);
        outcome.Cr2 = *(ulong*)(result + OracleLayout.ResultCr2);
        outcome.Trap = (int)*(ulong*)(result + OracleLayout.ResultTrap);
        if (outcome.Trap == 3)
        {
            outcome.Trap = TestOutcome.Completed;
            outcome.Rip--;
        }
        byte* xsave = result + OracleLayout.ResultXsave;
        new ReadOnlySpan<byte>(xsave, OracleLayout.LegacyBytes).CopyTo(outcome.Legacy);
        ulong used = *(ulong*)(xsave + 512);
        if ((used & 4) != 0) new ReadOnlySpan<byte>(xsave + 576, OracleLayout.YmmHighBytes).CopyTo(outcome.YmmHigh);
        else Array.Clear(outcome.YmmHigh);
        if ((used & 2) == 0) outcome.Legacy.AsSpan(160).Clear();
        if ((used & 1) == 0) ClearX87(outcome.Legacy);
        new ReadOnlySpan<byte>(result + OracleLayout.ResultData, OracleLayout.DataBytes).CopyTo(outcome.Data);
    }

    private static void ClearX87(Span<byte> legacy)
    {
        legacy[..24].Clear();
        legacy[32..160].Clear();
        legacy[0] = 0x7f;
        legacy[1] = 3;
    }

    private static void Store(TestVector vector, byte* to)
    {
        ulong* registers = (ulong*)to;
        for (int n = 0; n < 16; n++) registers[OracleLayout.RegisterOrder[n]] = vector.Gpr[n];
        registers[OracleLayout.RipRegister] = vector.Rip;
        registers[OracleLayout.FlagsRegister] = vector.Flags;
        *(ulong*)(to + OracleLayout.PatchAddress) = vector.PatchAddress;
        *(ulong*)(to + OracleLayout.PatchLength) = (ulong)vector.PatchLength;
        *(ushort*)(to + OracleLayout.CodeSelector) = vector.Bitness == 64 ? OracleLayout.Code64 : OracleLayout.Code32;
        vector.Code.CopyTo(new Span<byte>(to + OracleLayout.Bytes, OracleLayout.CodeBytes));
        vector.Patch.CopyTo(new Span<byte>(to + OracleLayout.Patch, OracleLayout.PatchBytes));
        vector.Legacy.CopyTo(new Span<byte>(to + OracleLayout.Legacy, OracleLayout.LegacyBytes));
        vector.YmmHigh.CopyTo(new Span<byte>(to + OracleLayout.YmmHigh, OracleLayout.YmmHighBytes));
    }

    public void Dispose()
    {
        try
        {
            _process.StandardInput.Close();
            if (!_process.WaitForExit(2000)) _process.Kill();
        }
        finally
        {
            _process.Dispose();
            _view.SafeMemoryMappedViewHandle.ReleasePointer();
            _view.Dispose();
            _file.Dispose();
            Directory.Delete(_directory, recursive: true);
        }
    }
}
