namespace Hutch.Core.Engine;

/// <summary>Why an engine cannot go on with a vCPU.</summary>
/// <param name="What">What happened; begins like a sentence and has no full stop.</param>
/// <param name="Mend">What the user can do, as the end of a sentence; null: nothing is known.</param>
public sealed record VcpuFailure(string What, string? Mend = null)
{
    /// <summary>Both, for the user.</summary>
    public string Sentence => Mend is null ? $"{What}." : $"{What}; {Mend}.";
}
