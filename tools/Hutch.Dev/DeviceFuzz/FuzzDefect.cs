using System;

namespace Hutch.Dev.DeviceFuzz;

/// <summary>A device did what none may do.</summary>
internal sealed class FuzzDefect : Exception
{
    /// <summary>Creates it with what is wrong.</summary>
    internal FuzzDefect(string message) : base(message) { }
}
