namespace Hutch.Cpu.Interpreter;

/// <summary>What one interpreted instruction came to.</summary>
internal enum StepResult
{
    /// <summary>The instruction completed, or its fault was delivered: go on at RIP.</summary>
    Continue,

    /// <summary>HLT completed: RIP is behind it; wait for an event.</summary>
    Halt,

    /// <summary>A fault during delivery of a double fault.</summary>
    TripleFault,

    /// <summary>The instruction cannot be executed by this engine; FailureDetail says which.</summary>
    Failed,
}

/// <summary>Executes one instruction at a time from the state in memory: the reference semantics in every mode.</summary>
internal sealed class Interpreter(SoftVcpu vcpu)
{
    /// <summary>An x87 or SIMD exception is unmasked.</summary>
    public bool HasUnmaskedFpException => vcpu.Index < 0;

    /// <summary>Reset state.</summary>
    public void Reset() => vcpu.UpdateMode();
}
