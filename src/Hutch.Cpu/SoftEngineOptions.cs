namespace Hutch.Cpu;

/// <summary>How translated code runs. None of it changes what a guest sees.</summary>
/// <param name="LockStep">Every translated block is checked against the interpreter: very slow, for finding faults of the engine.</param>
/// <param name="AvoidsGsBaseInstructions">GS base is set by system calls, as on a kernel that keeps WRGSBASE from programs.</param>
public readonly record struct SoftEngineOptions(bool LockStep = false, bool AvoidsGsBaseInstructions = false);
