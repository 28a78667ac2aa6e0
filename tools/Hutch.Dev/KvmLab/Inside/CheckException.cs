using System;

namespace Hutch.Dev.KvmLab.Inside;

/// <summary>A check of the lab that does not hold, or that cannot be made.</summary>
/// <param name="message">What was seen instead, or why not.</param>
/// <param name="isSkip">True when the check could not be made.</param>
internal sealed class CheckException(string message, bool isSkip = false) : Exception(message)
{
    /// <summary>True when the check could not be made.</summary>
    internal bool IsSkip { get; } = isSkip;
}
