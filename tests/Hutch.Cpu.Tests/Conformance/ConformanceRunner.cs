using System;
using System.Collections.Generic;
using System.Collections.Immutable;
using Iced.Intel;

namespace Hutch.Cpu.Tests.Conformance;

/// <summary>What a conformance run found.</summary>
internal sealed record ConformanceReport(long Vectors, int Forms, ImmutableArray<string> Failures, ImmutableArray<(Code Code, string Reason)> NotCovered);

/// <summary>Runs random vectors of every covered form on the host CPU and in the engine, and compares.</summary>
/// <param name="seed">Seed of the vectors.</param>
/// <param name="execute">How the engine executes them.</param>
/// <param name="translated">That is translated code: see <see cref="Comparison.Describe"/>.</param>
internal sealed class ConformanceRunner(ulong seed, ConformanceRunner.Execution execute, bool translated) : IDisposable
{
    private const int FailuresOfOneForm = 10;

    private readonly OracleProcess _oracle = new(Template());
    private readonly ConformanceGuest _guest = new(Template());
    private readonly TestVector[] _vectors = NewVectors();
    private readonly TestOutcome _host = new(), _outcome = new();
    private readonly Dictionary<string, int> _failuresByForm = [];
    private readonly ImmutableArray<string>.Builder _failures = ImmutableArray.CreateBuilder<string>();

    /// <summary>Executes a vector in the engine.</summary>
    public delegate void Execution(ConformanceGuest guest, TestVector vector, TestOutcome outcome);

    /// <summary>Compares <paramref name="rounds"/> vectors of each covered form. <paramref name="filter"/>: only Codes whose name contains it.</summary>
    public ConformanceReport RunForms(int rounds, string? filter, int bitness)
    {
        (ImmutableArray<Code> covered, ImmutableArray<(Code Code, string Reason)> skipped) = FormCatalog.Sort(bitness);
        var generator = new InstructionGenerator(new TestRandom(seed), bitness);
        var notCovered = skipped.ToBuilder();
        int count = 0, forms = 0;
        long total = 0;
        foreach (Code code in covered)
        {
            if (filter != null && !code.ToString().Contains(filter, StringComparison.OrdinalIgnoreCase)) continue;
            int made = 0;
            for (int round = 0; round < rounds; round++)
            {
                if (!generator.Generate(code, _vectors[count])) continue;
                made++;
                if (++count < _vectors.Length) continue;
                Compare(count);
                count = 0;
            }
            total += made;
            if (made > 0) forms++;
            else notCovered.Add((code, "decodes as another form"));
        }
        Compare(count);
        return new ConformanceReport(total, forms, _failures.ToImmutable(), notCovered.ToImmutable());
    }

    /// <summary>Compares random blocks of several instructions.</summary>
    public ConformanceReport RunBlocks(long blocks)
    {
        var generator = new BlockGenerator(new TestRandom(seed));
        for (long done = 0; done < blocks; done += _vectors.Length)
        {
            foreach (TestVector vector in _vectors) generator.Generate(vector);
            Compare(_vectors.Length);
        }
        return new ConformanceReport(blocks, 0, _failures.ToImmutable(), []);
    }

    private void Compare(int count)
    {
        if (count == 0) return;
        _oracle.Start(_vectors.AsSpan(0, count));
        _oracle.AwaitBatch();
        for (int n = 0; n < count; n++)
        {
            TestVector vector = _vectors[n];
            _oracle.Read(n, _host);
            execute(_guest, vector, _outcome);
            string? difference = Comparison.Describe(vector, _host, _outcome, translated);
            if (difference == null) continue;
            int seen = _failuresByForm[vector.Name] = _failuresByForm.GetValueOrDefault(vector.Name) + 1;
            if (seen <= FailuresOfOneForm) _failures.Add(difference);
        }
    }

    private static byte[] Template()
    {
        var template = new byte[OracleLayout.DataBytes];
        new TestRandom(77).Fill(template);
        return template;
    }

    private static TestVector[] NewVectors()
    {
        var vectors = new TestVector[OracleLayout.MaxVectors];
        for (int n = 0; n < vectors.Length; n++) vectors[n] = new TestVector();
        return vectors;
    }

    public void Dispose()
    {
        _oracle.Dispose();
        _guest.Dispose();
    }
}
